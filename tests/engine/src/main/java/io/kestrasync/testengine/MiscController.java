package io.kestrasync.testengine;

import io.kestra.core.contexts.KestraContext;
import io.kestra.core.docs.JsonSchemaCache;
import io.kestra.core.docs.SchemaType;
import io.micronaut.core.annotation.Nullable;
import io.micronaut.http.annotation.Controller;
import io.micronaut.http.annotation.Get;
import io.micronaut.http.annotation.PathVariable;
import io.micronaut.http.annotation.QueryValue;
import io.micronaut.scheduling.TaskExecutors;
import io.micronaut.scheduling.annotation.ExecuteOn;
import java.util.List;
import java.util.Map;

/** The endpoints without a tenant: the server itself. */
@Controller("/api/v1")
@ExecuteOn(TaskExecutors.IO)
class MiscController {
    private final JsonSchemaCache schemas;

    MiscController(JsonSchemaCache schemas) {
        this.schemas = schemas;
    }

    @Get("/configs")
    Map<String, Object> configs() {
        return Map.ofEntries(
            Map.entry("version", KestraContext.getContext().getVersion()),
            Map.entry("edition", "OSS"),
            Map.entry("systemNamespace", "system"),
            Map.entry("hiddenLabelsPrefixes", List.of("system.")),
            Map.entry("isAnonymousUsageEnabled", false),
            Map.entry("isBasicAuthInitialized", true)
        );
    }

    @Get("/plugins/schemas/{type}")
    Map<String, Object> schema(
        @PathVariable String type, @Nullable @QueryValue Boolean arrayOf
    ) {
        return schemas.getSchemaForType(SchemaType.fromString(type), Boolean.TRUE.equals(arrayOf));
    }
}
