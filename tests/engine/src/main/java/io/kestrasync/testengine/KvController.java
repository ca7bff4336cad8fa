package io.kestrasync.testengine;

import com.fasterxml.jackson.annotation.JsonInclude;
import io.kestra.core.exceptions.ResourceExpiredException;
import io.kestra.core.models.QueryFilter;
import io.kestra.core.models.kv.KVType;
import io.kestra.core.repositories.KvMetadataRepositoryInterface;
import io.kestra.core.serializers.JacksonMapper;
import io.kestra.core.storages.StorageInterface;
import io.kestra.core.storages.kv.InternalKVStore;
import io.kestra.core.storages.kv.KVEntry;
import io.kestra.core.storages.kv.KVMetadata;
import io.kestra.core.storages.kv.KVStore;
import io.kestra.core.storages.kv.KVValue;
import io.kestra.core.storages.kv.KVValueAndMetadata;
import io.micronaut.core.annotation.Nullable;
import io.micronaut.http.HttpRequest;
import io.micronaut.http.HttpResponse;
import io.micronaut.http.MediaType;
import io.micronaut.http.annotation.Body;
import io.micronaut.http.annotation.Consumes;
import io.micronaut.http.annotation.Controller;
import io.micronaut.http.annotation.Delete;
import io.micronaut.http.annotation.Get;
import io.micronaut.http.annotation.Header;
import io.micronaut.http.annotation.PathVariable;
import io.micronaut.http.annotation.Put;
import io.micronaut.scheduling.TaskExecutors;
import io.micronaut.scheduling.annotation.ExecuteOn;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.NoSuchElementException;

/** The key-value store. */
@Controller(Api.ROOT)
@ExecuteOn(TaskExecutors.IO)
class KvController {
    /** A value as it is read. */
    @JsonInclude(JsonInclude.Include.ALWAYS)
    record TypedValue(KVType type, Object value, Integer revision, Instant updated) {
    }

    private final StorageInterface storage;
    private final KvMetadataRepositoryInterface metadata;

    KvController(StorageInterface storage, KvMetadataRepositoryInterface metadata) {
        this.storage = storage;
        this.metadata = metadata;
    }

    @Get("/kv")
    Page<KVEntry> search(HttpRequest<?> request) {
        return Page.of(metadata
            .find(
                Page.asked(request), Api.TENANT, Filters.of(request, QueryFilter.Resource.KV_METADATA), false, true)
            .map(KVEntry::from));
    }

    @Get("/namespaces/{namespace}/kv")
    List<KVEntry> list(@PathVariable String namespace) throws IOException {
        return store(namespace).list();
    }

    @Get("/namespaces/{namespace}/kv/{key}")
    TypedValue get(@PathVariable String namespace, @PathVariable String key)
        throws IOException, ResourceExpiredException {
        KVStore store = store(namespace);
        KVValue found = store.getValue(key).orElseThrow(() -> absent(namespace, key));
        KVEntry entry = store.get(key).orElseThrow(() -> absent(namespace, key));
        Object value = found.value();
        KVType type = KVType.from(value);
        boolean asText = type == KVType.DURATION || type == KVType.DATE || type == KVType.DATETIME;
        return new TypedValue(type, asText ? value.toString() : value, entry.version(), entry.updateDate());
    }

    @Put("/namespaces/{namespace}/kv/{key}")
    @Consumes(MediaType.TEXT_PLAIN)
    void put(
        @PathVariable String namespace,
        @PathVariable String key,
        @Body String text,
        @Nullable @Header("ttl") String ttl,
        @Nullable @Header("description") String description
    ) throws IOException {
        KVMetadata details = new KVMetadata(description, ttl == null ? null : Duration.parse(ttl));
        // Ion, of which JSON is a part: an unquoted text ends at its first blank.
        Object value = JacksonMapper.ofIon().readValue(text, Object.class);
        store(namespace).put(key, new KVValueAndMetadata(details, value));
    }

    @Delete("/namespaces/{namespace}/kv/{key}")
    boolean delete(@PathVariable String namespace, @PathVariable String key) throws IOException {
        return store(namespace).delete(key);
    }

    private KVStore store(String namespace) {
        return new InternalKVStore(Api.TENANT, namespace, storage, metadata);
    }

    private static NoSuchElementException absent(String namespace, String key) {
        return new NoSuchElementException("No value found for key '" + key + "' in namespace '" + namespace + "'");
    }
}
