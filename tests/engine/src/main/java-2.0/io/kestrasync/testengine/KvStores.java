package io.kestrasync.testengine;

import io.kestra.core.services.KVStoreService;
import io.kestra.core.storages.kv.KVEntry;
import io.kestra.core.storages.kv.KVStore;
import jakarta.inject.Singleton;

/** The key-value stores of the namespaces of a Kestra 2.0. */
@Singleton
class KvStores {
    private final KVStoreService service;

    KvStores(KVStoreService service) {
        this.service = service;
    }

    KVStore of(String namespace) {
        return service.get(Api.TENANT, namespace);
    }

    static Integer revision(KVEntry entry) {
        return entry.revision();
    }
}
