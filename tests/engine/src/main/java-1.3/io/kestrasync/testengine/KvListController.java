package io.kestrasync.testengine;

import io.kestra.core.storages.kv.KVEntry;
import io.micronaut.http.annotation.Controller;
import io.micronaut.http.annotation.Get;
import io.micronaut.http.annotation.PathVariable;
import io.micronaut.scheduling.TaskExecutors;
import io.micronaut.scheduling.annotation.ExecuteOn;
import java.io.IOException;
import java.util.List;

/** The list of one namespace's keys, which 2.0 has dropped. */
@Controller(Api.ROOT + "/namespaces/{namespace}/kv")
@ExecuteOn(TaskExecutors.IO)
class KvListController {
    private final KvStores stores;

    KvListController(KvStores stores) {
        this.stores = stores;
    }

    @Get
    List<KVEntry> list(@PathVariable String namespace) throws IOException {
        return stores.of(namespace).list();
    }
}
