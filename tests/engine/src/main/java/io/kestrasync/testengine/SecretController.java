package io.kestrasync.testengine;

import io.kestra.core.models.QueryFilter;
import io.kestra.core.repositories.ArrayListTotal;
import io.kestra.core.secret.SecretService;
import io.micronaut.http.HttpRequest;
import io.micronaut.http.annotation.Controller;
import io.micronaut.http.annotation.Get;
import io.micronaut.http.annotation.PathVariable;
import io.micronaut.scheduling.TaskExecutors;
import io.micronaut.scheduling.annotation.ExecuteOn;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The names of the secrets, which the open-source edition reads from its environment ({@code SECRET_NAME}). */
@Controller(Api.ROOT)
@ExecuteOn(TaskExecutors.IO)
class SecretController {
    /** The name of a secret. */
    record Secret(String key) {
    }

    /** A page of names; they cannot be written. */
    record Secrets(boolean readOnly, List<Secret> results, long total) {
    }

    private final SecretService<String> service;

    SecretController(SecretService<String> service) {
        this.service = service;
    }

    @Get("/secrets")
    Secrets list(HttpRequest<?> request) throws IOException {
        return page(service, request);
    }

    static Secrets page(SecretService<String> service, HttpRequest<?> request) throws IOException {
        ArrayListTotal<String> found = service.list(
            Page.asked(request, field -> field.equals("key") ? "name" : field),
            Api.TENANT,
            Filters.of(request, QueryFilter.Resource.SECRET_METADATA));
        return new Secrets(true, found.stream().map(Secret::new).toList(), found.getTotal());
    }

    @Get("/namespaces/{namespace}/inherited-secrets")
    Map<String, Set<String>> inherited(@PathVariable String namespace) throws IOException {
        return service.inheritedSecrets(Api.TENANT, namespace);
    }
}
