package io.kestrasync.testengine;

import io.kestra.core.exceptions.ConflictException;
import io.kestra.core.exceptions.DeserializationException;
import io.kestra.core.exceptions.FlowProcessingException;
import io.kestra.core.exceptions.InputOutputValidationException;
import io.kestra.core.exceptions.InvalidQueryFiltersException;
import io.kestra.core.exceptions.NotFoundException;
import io.kestra.core.exceptions.ResourceExpiredException;
import io.kestra.core.exceptions.ValidationErrorException;
import io.micronaut.core.annotation.Nullable;
import io.micronaut.core.convert.exceptions.ConversionErrorException;
import io.micronaut.http.HttpRequest;
import io.micronaut.http.HttpResponse;
import io.micronaut.http.HttpStatus;
import io.micronaut.http.annotation.Controller;
import io.micronaut.http.annotation.Error;
import io.micronaut.http.exceptions.HttpStatusException;
import io.micronaut.web.router.exceptions.UnsatisfiedRouteException;
import jakarta.validation.ConstraintViolation;
import jakarta.validation.ConstraintViolationException;
import java.io.FileNotFoundException;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.TreeMap;

/** Turns what the engine throws into Kestra's statuses and error bodies. */
@Controller
class Errors {
    /** One entry of {@code _embedded.errors}. */
    record Detail(String message, @Nullable String path) {
        Map<String, Object> json() {
            Map<String, Object> json = new TreeMap<>(Map.of("message", message));
            if (path != null) {
                json.put("path", path);
            }
            return json;
        }
    }

    /** The error body of Kestra 1.x; {@code details} null: the message itself is the one detail. */
    static Map<String, Object> body(HttpRequest<?> request, String message, @Nullable List<Detail> details) {
        List<Detail> errors = details == null ? List.of(new Detail(message, null)) : details;
        return Map.of(
            "message", message,
            "path", request.getPath(),
            "_links", Map.of("self", Map.of("href", request.getUri().toString(), "templated", false)),
            "_embedded", Map.of("errors", errors.stream().map(Detail::json).toList())
        );
    }

    private static HttpResponse<?> answer(HttpRequest<?> request, HttpStatus status, String message) {
        return HttpResponse.status(status).body(body(request, message, null));
    }

    @Error(global = true)
    HttpResponse<?> invalid(HttpRequest<?> request, ConstraintViolationException e) {
        List<Detail> details = e.getConstraintViolations() == null
            ? List.of(new Detail(String.valueOf(e.getMessage()), null))
            : e.getConstraintViolations().stream().map(Errors::detail).toList();
        return HttpResponse.status(HttpStatus.UNPROCESSABLE_ENTITY)
            .body(body(request, "Invalid entity: " + e.getMessage(), details));
    }

    private static Detail detail(ConstraintViolation<?> violation) {
        Object path = violation.getPropertyPath();
        return new Detail(String.valueOf(violation.getMessage()), path == null ? null : path.toString());
    }

    @Error(global = true)
    HttpResponse<?> unreadable(HttpRequest<?> request, DeserializationException e) {
        return answer(request, HttpStatus.UNPROCESSABLE_ENTITY, "Invalid entity: " + e.getMessage());
    }

    @Error(global = true)
    HttpResponse<?> unreadable(HttpRequest<?> request, FlowProcessingException e) {
        if (e.getCause() instanceof ConstraintViolationException cause) {
            return invalid(request, cause);
        }
        return answer(request, HttpStatus.UNPROCESSABLE_ENTITY, "Invalid entity: " + e.getMessage());
    }

    @Error(global = true)
    HttpResponse<?> badInput(HttpRequest<?> request, InputOutputValidationException e) {
        return answer(request, HttpStatus.UNPROCESSABLE_ENTITY, "Invalid entity: " + e.getMessage());
    }

    @Error(global = true)
    HttpResponse<?> badInput(HttpRequest<?> request, ValidationErrorException e) {
        return answer(request, HttpStatus.UNPROCESSABLE_ENTITY, "Invalid entity: " + e.getMessage());
    }

    @Error(global = true)
    HttpResponse<?> badFilter(HttpRequest<?> request, InvalidQueryFiltersException e) {
        return answer(request, HttpStatus.BAD_REQUEST, e.getMessage());
    }

    @Error(global = true)
    HttpResponse<?> illegal(HttpRequest<?> request, IllegalArgumentException e) {
        return answer(request, HttpStatus.UNPROCESSABLE_ENTITY, "Illegal argument: " + e.getMessage());
    }

    @Error(global = true)
    HttpResponse<?> illegal(HttpRequest<?> request, IllegalStateException e) {
        return answer(request, HttpStatus.CONFLICT, "Illegal state: " + e.getMessage());
    }

    @Error(global = true)
    HttpResponse<?> conflict(HttpRequest<?> request, ConflictException e) {
        return answer(request, HttpStatus.CONFLICT, e.getMessage());
    }

    @Error(global = true)
    HttpResponse<?> unconvertible(HttpRequest<?> request, ConversionErrorException e) {
        return answer(request, HttpStatus.UNPROCESSABLE_ENTITY, "Invalid entity: " + e.getMessage());
    }

    @Error(global = true)
    HttpResponse<?> unsatisfied(HttpRequest<?> request, UnsatisfiedRouteException e) {
        return answer(request, HttpStatus.UNPROCESSABLE_ENTITY, "Bad request: " + e.getMessage());
    }

    @Error(global = true)
    HttpResponse<?> notFound(HttpRequest<?> request, NoSuchElementException e) {
        return answer(request, HttpStatus.NOT_FOUND, "Not Found: " + e.getMessage());
    }

    @Error(global = true)
    HttpResponse<?> notFound(HttpRequest<?> request, NotFoundException e) {
        return answer(request, HttpStatus.NOT_FOUND, "Not Found: " + e.getMessage());
    }

    @Error(global = true)
    HttpResponse<?> notFound(HttpRequest<?> request, FileNotFoundException e) {
        return answer(request, HttpStatus.NOT_FOUND, "Not Found: " + e.getMessage());
    }

    @Error(global = true)
    HttpResponse<?> expired(HttpRequest<?> request, ResourceExpiredException e) {
        return answer(request, HttpStatus.GONE, e.getMessage());
    }

    @Error(global = true)
    HttpResponse<?> status(HttpRequest<?> request, HttpStatusException e) {
        return answer(request, e.getStatus(), e.getMessage());
    }

    @Error(global = true, status = HttpStatus.NOT_FOUND)
    HttpResponse<?> noRoute(HttpRequest<?> request) {
        return answer(request, HttpStatus.NOT_FOUND, "Not Found");
    }

    @Error(global = true)
    HttpResponse<?> unexpected(HttpRequest<?> request, Throwable e) {
        return answer(request, HttpStatus.INTERNAL_SERVER_ERROR, "Internal server error: " + e.getMessage());
    }
}
