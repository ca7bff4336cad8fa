package io.kestrasync.testengine;

import com.fasterxml.jackson.core.JsonProcessingException;
import io.kestra.core.exceptions.ResourceExpiredException;
import io.kestra.core.models.QueryFilter;
import io.kestra.core.models.kv.KVType;
import io.kestra.core.models.namespaces.NamespaceInterface;
import io.kestra.core.repositories.KvMetadataRepositoryInterface;
import io.kestra.core.serializers.JacksonMapper;
import io.kestra.core.storages.kv.KVEntry;
import io.kestra.core.storages.kv.KVMetadata;
import io.kestra.core.storages.kv.KVStore;
import io.kestra.core.storages.kv.KVValue;
import io.kestra.core.storages.kv.KVValueAndMetadata;
import io.micronaut.core.annotation.Nullable;
import io.micronaut.http.HttpRequest;
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
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;

/** The key-value store. */
@Controller(Api.ROOT)
@ExecuteOn(TaskExecutors.IO)
class KvController {
    /** A value as it is read; a null value is left out of the JSON. */
    record TypedValue(KVType type, @Nullable Object value, Integer revision, Instant updated) {
    }

    /** Keys, in requests and answers. */
    record Keys(List<String> keys) {
    }

    private final KvStores stores;
    private final KvMetadataRepositoryInterface metadata;

    KvController(KvStores stores, KvMetadataRepositoryInterface metadata) {
        this.stores = stores;
        this.metadata = metadata;
    }

    @Get("/kv")
    Page<KVEntry> search(HttpRequest<?> request) {
        return Page.of(metadata
            .find(
                Page.asked(request, field -> field.equals("key") ? "name" : field),
                Api.TENANT,
                Filters.of(request, QueryFilter.Resource.KV_METADATA),
                false,
                false)
            .map(KVEntry::from));
    }

    /** The keys of the parents alone; of equal ones the nearest. */
    @Get("/namespaces/{namespace}/kv/inheritance")
    List<KVEntry> inherited(@PathVariable String namespace) throws IOException {
        List<String> family = new ArrayList<>(NamespaceInterface.asTree(namespace));
        family.remove(namespace);
        family.sort((a, b) -> b.length() - a.length());
        Map<String, KVEntry> nearest = new LinkedHashMap<>();
        for (String parent : family) {
            stores.of(parent).list().forEach(entry -> nearest.putIfAbsent(entry.key(), entry));
        }
        return List.copyOf(nearest.values());
    }

    @Get("/namespaces/{namespace}/kv/{key}")
    TypedValue get(@PathVariable String namespace, @PathVariable String key)
        throws IOException, ResourceExpiredException {
        KVStore store = stores.of(namespace);
        KVValue found = store.getValue(key).orElseThrow(() -> absent(namespace, key));
        KVEntry entry = store.get(key).orElseThrow(() -> absent(namespace, key));
        Object value = found.value() instanceof byte[] bytes
            ? new String(bytes, StandardCharsets.UTF_8)
            : found.value();
        return new TypedValue(KVType.from(value), value, KvStores.revision(entry), entry.updateDate());
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
        stores.of(namespace).put(key, new KVValueAndMetadata(details, read(text)));
    }

    /** Ion, a superset of JSON: an unquoted text ends at its first blank. Anything else is a text. */
    private static Object read(String text) {
        try {
            return JacksonMapper.ofIon().readTree(text);
        } catch (JsonProcessingException e) {
            return text;
        }
    }

    @Delete("/namespaces/{namespace}/kv/{key}")
    boolean delete(@PathVariable String namespace, @PathVariable String key) throws IOException {
        return stores.of(namespace).delete(key);
    }

    @Delete("/namespaces/{namespace}/kv")
    Keys deleteMany(@PathVariable String namespace, @Body Keys asked) throws IOException {
        List<String> deleted = new ArrayList<>();
        for (String key : asked.keys() == null ? List.<String>of() : asked.keys()) {
            if (stores.of(namespace).delete(key)) {
                deleted.add(key);
            }
        }
        return new Keys(deleted);
    }

    private static NoSuchElementException absent(String namespace, String key) {
        return new NoSuchElementException("No value found for key '" + key + "' in namespace '" + namespace + "'");
    }
}
