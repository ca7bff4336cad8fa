package io.kestrasync.testengine;

import io.kestra.core.contexts.KestraContext;
import io.kestra.core.docs.ClassPluginDocumentation;
import io.kestra.core.docs.JsonSchemaCache;
import io.kestra.core.docs.JsonSchemaGenerator;
import io.kestra.core.docs.SchemaType;
import io.kestra.core.plugins.PluginRegistry;
import io.micronaut.core.annotation.Nullable;
import io.micronaut.http.HttpHeaders;
import io.micronaut.http.HttpResponse;
import io.micronaut.http.annotation.Controller;
import io.micronaut.http.annotation.Get;
import io.micronaut.http.annotation.PathVariable;
import io.micronaut.http.annotation.QueryValue;
import io.micronaut.scheduling.TaskExecutors;
import io.micronaut.scheduling.annotation.ExecuteOn;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;

/** The endpoints without a tenant: the server itself, and its plugins. */
@Controller("/api/v1")
@ExecuteOn(TaskExecutors.IO)
class MiscController {
    private static final String CACHED = "public, max-age=3600";

    private final JsonSchemaCache schemas;
    private final JsonSchemaGenerator generator;
    private final PluginRegistry plugins;

    MiscController(JsonSchemaCache schemas, JsonSchemaGenerator generator, PluginRegistry plugins) {
        this.schemas = schemas;
        this.generator = generator;
        this.plugins = plugins;
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
    HttpResponse<Map<String, Object>> schema(@PathVariable String type, @Nullable @QueryValue Boolean arrayOf) {
        return cached(schemas.getSchemaForType(SchemaType.fromString(type), Boolean.TRUE.equals(arrayOf)));
    }

    @Get("/plugins/properties/{type}")
    HttpResponse<Map<String, Object>> properties(@PathVariable String type) {
        return cached(schemas.getPropertiesForType(SchemaType.fromString(type)));
    }

    /** The inputs and outputs of a type of task or trigger; 404 for one that this server does not have. */
    @Get("/plugins/{type}")
    HttpResponse<Map<String, Object>> type(@PathVariable String type) {
        var metadata = plugins.findMetadataByIdentifier(type)
            .orElseThrow(() -> new NoSuchElementException("Class '" + type + "' doesn't exists "));
        ClassPluginDocumentation<?> found = ClassPluginDocumentation.of(generator, metadata, null, false);
        Map<String, Object> schema = new LinkedHashMap<>();
        schema.put("properties", found.getPropertiesSchema());
        schema.put("outputs", found.getOutputsSchema());
        schema.put("definitions", found.getDefs());
        return cached(Map.of("markdown", "", "schema", schema));
    }

    private static HttpResponse<Map<String, Object>> cached(Map<String, Object> body) {
        return HttpResponse.ok(body).header(HttpHeaders.CACHE_CONTROL, CACHED);
    }
}
