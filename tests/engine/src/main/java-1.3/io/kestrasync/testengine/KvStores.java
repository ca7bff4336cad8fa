package io.kestrasync.testengine;

import io.kestra.core.repositories.KvMetadataRepositoryInterface;
import io.kestra.core.storages.StorageInterface;
import io.kestra.core.storages.kv.InternalKVStore;
import io.kestra.core.storages.kv.KVEntry;
import io.kestra.core.storages.kv.KVStore;
import jakarta.inject.Singleton;

/** The key-value stores of the namespaces of a Kestra 1.3. */
@Singleton
class KvStores {
    private final StorageInterface storage;
    private final KvMetadataRepositoryInterface metadata;

    KvStores(StorageInterface storage, KvMetadataRepositoryInterface metadata) {
        this.storage = storage;
        this.metadata = metadata;
    }

    KVStore of(String namespace) {
        return new InternalKVStore(Api.TENANT, namespace, storage, metadata);
    }

    static Integer revision(KVEntry entry) {
        return entry.version();
    }
}
