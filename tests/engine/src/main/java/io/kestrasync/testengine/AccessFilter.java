package io.kestrasync.testengine;

import io.micronaut.context.annotation.Value;
import io.micronaut.core.annotation.Nullable;
import io.micronaut.http.HttpHeaders;
import io.micronaut.http.HttpRequest;
import io.micronaut.http.HttpResponse;
import io.micronaut.http.HttpStatus;
import io.micronaut.http.MutableHttpResponse;
import io.micronaut.http.annotation.RequestFilter;
import io.micronaut.http.annotation.ServerFilter;
import io.micronaut.web.router.RouteAttributes;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Base64;

/** Basic authentication, the tenant, a body's type: what is asked before any endpoint. */
@ServerFilter("/api/v1/**")
class AccessFilter {
    private final byte[] expected;

    AccessFilter(
        @Value("${test-engine.username}") String username,
        @Value("${test-engine.password}") String password
    ) {
        String pair = username + ":" + password;
        this.expected = bytes("Basic " + Base64.getEncoder().encodeToString(bytes(pair)));
    }

    @RequestFilter
    @Nullable
    MutableHttpResponse<?> filter(HttpRequest<?> request) {
        if (request.getPath().equals("/api/v1/configs")) {
            return null;
        }
        String given = request.getHeaders().get(HttpHeaders.AUTHORIZATION);
        if (given == null || !MessageDigest.isEqual(bytes(given), expected)) {
            return HttpResponse.unauthorized().header(HttpHeaders.WWW_AUTHENTICATE, "Basic");
        }
        if (request.getContentType().isEmpty() && request.getContentLength() > 0) {
            // Which of several handlers gets a body without a type is a matter of chance in Kestra.
            return HttpResponse.status(HttpStatus.UNSUPPORTED_MEDIA_TYPE)
                .body(Errors.body(request, "Content Type is missing"));
        }
        return RouteAttributes.getRouteMatch(request)
            .map(route -> route.getVariableValues().get("tenant"))
            .filter(tenant -> !Api.TENANT.equals(tenant))
            .map(tenant -> HttpResponse.status(HttpStatus.BAD_REQUEST)
                .body(Errors.body(request, "Tenant must be 'main' for OSS version")))
            .orElse(null);
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
