package io.kestrasync.testengine;

import io.kestra.core.secret.SecretService;
import io.micronaut.http.HttpRequest;
import io.micronaut.http.annotation.Controller;
import io.micronaut.http.annotation.Get;
import io.micronaut.http.annotation.PathVariable;
import io.micronaut.scheduling.TaskExecutors;
import io.micronaut.scheduling.annotation.ExecuteOn;
import java.io.IOException;

/** The names of the secrets once more, under each namespace: 2.0 has dropped this. */
@Controller(Api.ROOT + "/namespaces/{namespace}/secrets")
@ExecuteOn(TaskExecutors.IO)
class NamespaceSecretController {
    private final SecretService<String> service;

    NamespaceSecretController(SecretService<String> service) {
        this.service = service;
    }

    @Get
    SecretController.Secrets list(@PathVariable String namespace, HttpRequest<?> request) throws IOException {
        return SecretController.page(service, request);
    }
}
