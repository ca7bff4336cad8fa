package io.kestrasync.testengine;

import io.kestra.core.models.namespaces.NamespaceInterface;
import io.kestra.core.repositories.FlowRepositoryInterface;
import io.micronaut.core.annotation.Nullable;
import io.micronaut.http.HttpRequest;
import io.micronaut.http.annotation.Body;
import io.micronaut.http.annotation.Controller;
import io.micronaut.http.annotation.Get;
import io.micronaut.http.annotation.PathVariable;
import io.micronaut.http.annotation.Post;
import io.micronaut.http.annotation.QueryValue;
import io.micronaut.scheduling.TaskExecutors;
import io.micronaut.scheduling.annotation.ExecuteOn;
import java.util.List;
import java.util.stream.Stream;

/** Namespaces: every name exists, and those with flows are listed with all their parents. */
@Controller(Api.ROOT + "/namespaces")
@ExecuteOn(TaskExecutors.IO)
class NamespaceController {
    private static final String SYSTEM = "system";

    /** A namespace; the open-source edition knows no more of it. */
    record Named(String id) {
    }

    /** What to look for. */
    record Query(@Nullable String q) {
    }

    private final FlowRepositoryInterface flows;

    NamespaceController(FlowRepositoryInterface flows) {
        this.flows = flows;
    }

    @Get("/{id}")
    Named get(@PathVariable String id) {
        return new Named(id);
    }

    @Get("/search")
    Page<Named> search(HttpRequest<?> request, @Nullable @QueryValue String q) {
        List<Named> all = names(q).map(Named::new).toList();
        var page = Page.asked(request); // which counts from 1
        long before = (long) (page.getNumber() - 1) * page.getSize();
        return new Page<>(all.stream().skip(before).limit(page.getSize()).toList(), all.size());
    }

    @Post("/autocomplete")
    List<String> complete(@Body Query query) {
        return names(query.q()).toList();
    }

    private Stream<String> names(@Nullable String part) {
        return Stream.concat(flows.findDistinctNamespace(Api.TENANT).stream(), Stream.of(SYSTEM))
            .flatMap(name -> NamespaceInterface.asTree(name).stream())
            .filter(name -> part == null || name.contains(part))
            .distinct()
            .sorted();
    }
}
