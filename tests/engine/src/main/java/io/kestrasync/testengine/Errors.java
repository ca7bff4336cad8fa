package io.kestrasync.testengine;

import com.fasterxml.jackson.core.JsonParseException;
import io.kestra.core.exceptions.ConflictException;
import io.kestra.core.exceptions.DeserializationException;
import io.kestra.core.exceptions.FlowProcessingException;
import io.kestra.core.exceptions.InputOutputValidationException;
import io.kestra.core.exceptions.InvalidQueryFiltersException;
import io.kestra.core.exceptions.NotFoundException;
import io.kestra.core.exceptions.ResourceExpiredException;
import io.kestra.core.exceptions.ValidationErrorException;
import io.micronaut.core.convert.exceptions.ConversionErrorException;
import io.micronaut.http.HttpRequest;
import io.micronaut.http.HttpResponse;
import io.micronaut.http.HttpStatus;
import io.micronaut.http.annotation.Controller;
import io.micronaut.http.annotation.Error;
import io.micronaut.http.exceptions.HttpStatusException;
import io.micronaut.http.hateoas.JsonError;
import io.micronaut.http.hateoas.Link;
import io.micronaut.http.hateoas.Resource;
import io.micronaut.web.router.exceptions.UnsatisfiedQueryValueRouteException;
import io.micronaut.web.router.exceptions.UnsatisfiedRouteException;
import jakarta.validation.ConstraintViolationException;
import java.io.FileNotFoundException;
import java.util.List;
import java.util.NoSuchElementException;

/** Turns what the engine throws into Kestra's statuses and error bodies. */
@Controller
class Errors {
    /** Kestra's error body: {@code message} and {@code _links}. */
    static JsonError body(HttpRequest<?> request, String message) {
        return new JsonError(message).link(Link.SELF, Link.of(request.getUri()));
    }

    private static HttpResponse<?> answer(HttpRequest<?> request, HttpStatus status, String message) {
        return HttpResponse.status(status).body(body(request, message));
    }

    /** The text before an exception's own, if it has one. */
    private static HttpResponse<?> answer(HttpRequest<?> request, HttpStatus status, String what, Throwable e) {
        return answer(request, status, e.getMessage() == null ? what : what + ": " + e.getMessage());
    }

    /** The one kind whose body has {@code _embedded.errors}: each with its path. */
    @Error(global = true)
    HttpResponse<?> invalid(HttpRequest<?> request, ConstraintViolationException e) {
        List<Resource> details = e.getConstraintViolations() == null
            ? List.of()
            : e.getConstraintViolations().stream()
                .<Resource>map(it -> new JsonError(it.getMessage()).path(String.valueOf(it.getPropertyPath())))
                .toList();
        return HttpResponse.status(HttpStatus.UNPROCESSABLE_ENTITY)
            .body(body(request, "Invalid entity: " + e.getMessage()).embedded("errors", details));
    }

    @Error(global = true)
    HttpResponse<?> unreadable(HttpRequest<?> request, DeserializationException e) {
        return answer(request, HttpStatus.UNPROCESSABLE_ENTITY, "Invalid entity", e);
    }

    @Error(global = true)
    HttpResponse<?> unreadable(HttpRequest<?> request, JsonParseException e) {
        return answer(request, HttpStatus.UNPROCESSABLE_ENTITY, "Invalid json", e);
    }

    @Error(global = true)
    HttpResponse<?> unreadable(HttpRequest<?> request, FlowProcessingException e) {
        if (e.getCause() instanceof ConstraintViolationException cause) {
            return invalid(request, cause);
        }
        return answer(request, HttpStatus.UNPROCESSABLE_ENTITY, "Invalid entity", e);
    }

    @Error(global = true)
    HttpResponse<?> badInput(HttpRequest<?> request, InputOutputValidationException e) {
        return answer(request, HttpStatus.UNPROCESSABLE_ENTITY, "Invalid entity", e);
    }

    @Error(global = true)
    HttpResponse<?> badInput(HttpRequest<?> request, ValidationErrorException e) {
        return answer(request, HttpStatus.BAD_REQUEST, e.formatedInvalidObjects(), e);
    }

    @Error(global = true)
    HttpResponse<?> badFilter(HttpRequest<?> request, InvalidQueryFiltersException e) {
        return answer(request, HttpStatus.BAD_REQUEST, "Invalid query filters", e);
    }

    @Error(global = true)
    HttpResponse<?> illegal(HttpRequest<?> request, IllegalArgumentException e) {
        return answer(request, HttpStatus.UNPROCESSABLE_ENTITY, "Illegal argument", e);
    }

    @Error(global = true)
    HttpResponse<?> illegal(HttpRequest<?> request, IllegalStateException e) {
        return answer(request, HttpStatus.CONFLICT, "Illegal state", e);
    }

    @Error(global = true)
    HttpResponse<?> conflict(HttpRequest<?> request, ConflictException e) {
        return answer(request, HttpStatus.CONFLICT, "Conflict", e);
    }

    @Error(global = true)
    HttpResponse<?> unconvertible(HttpRequest<?> request, ConversionErrorException e) {
        return answer(request, HttpStatus.UNPROCESSABLE_ENTITY, "Internal server error", e);
    }

    @Error(global = true)
    HttpResponse<?> unsatisfied(HttpRequest<?> request, UnsatisfiedRouteException e) {
        return answer(request, HttpStatus.UNPROCESSABLE_ENTITY, "Invalid route params", e);
    }

    @Error(global = true)
    HttpResponse<?> unsatisfied(HttpRequest<?> request, UnsatisfiedQueryValueRouteException e) {
        return answer(request, HttpStatus.BAD_REQUEST, "Bad Request", e);
    }

    @Error(global = true)
    HttpResponse<?> notFound(HttpRequest<?> request, NoSuchElementException e) {
        return answer(request, HttpStatus.NOT_FOUND, "Not Found", e);
    }

    @Error(global = true)
    HttpResponse<?> notFound(HttpRequest<?> request, NotFoundException e) {
        return answer(request, HttpStatus.NOT_FOUND, "Not Found", e);
    }

    @Error(global = true)
    HttpResponse<?> notFound(HttpRequest<?> request, FileNotFoundException e) {
        return answer(request, HttpStatus.NOT_FOUND, "Not Found", e);
    }

    @Error(global = true)
    HttpResponse<?> expired(HttpRequest<?> request, ResourceExpiredException e) {
        return answer(request, HttpStatus.GONE, "Resource has expired", e);
    }

    @Error(global = true)
    HttpResponse<?> status(HttpRequest<?> request, HttpStatusException e) {
        return answer(request, e.getStatus(), e.getStatus().getReason(), e);
    }

    @Error(global = true, status = HttpStatus.NOT_FOUND)
    HttpResponse<?> noRoute(HttpRequest<?> request) {
        return answer(request, HttpStatus.NOT_FOUND, "Not Found");
    }

    @Error(global = true)
    HttpResponse<?> unexpected(HttpRequest<?> request, Throwable e) {
        return answer(request, HttpStatus.INTERNAL_SERVER_ERROR, "Internal server error", e);
    }
}
