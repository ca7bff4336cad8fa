package io.kestrasync.testengine;

import io.kestra.core.models.flows.FlowWithSource;
import io.kestra.core.models.flows.GenericFlow;
import io.kestra.core.repositories.FlowRepositoryInterface;
import io.kestra.core.services.FlowService;
import io.micronaut.core.annotation.Nullable;
import io.micronaut.http.annotation.Body;
import io.micronaut.http.annotation.Consumes;
import io.micronaut.http.annotation.Controller;
import io.micronaut.http.annotation.PathVariable;
import io.micronaut.http.annotation.Post;
import io.micronaut.http.annotation.QueryValue;
import io.micronaut.scheduling.TaskExecutors;
import io.micronaut.scheduling.annotation.ExecuteOn;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * The two calls that replace all flows of a namespace, with everything that makes them dangerous: they delete before
 * they write, by default, without a transaction; they tell flows apart by id alone; they cut the text at any
 * {@code ---}.
 */
@Controller(Api.ROOT + "/flows")
@ExecuteOn(TaskExecutors.IO)
class FlowReplaceController {
    private final FlowService service;
    private final FlowRepositoryInterface repository;

    FlowReplaceController(FlowService service, FlowRepositoryInterface repository) {
        this.service = service;
        this.repository = repository;
    }

    @Post("/{namespace}")
    @Consumes(Api.YAML)
    List<FlowWithSource> replace(
        @PathVariable String namespace,
        @Nullable @Body String sources,
        @Nullable @QueryValue Boolean delete
    ) throws Exception {
        return replace(repository.findByNamespaceWithSource(Api.TENANT, namespace), sources, delete);
    }

    @Post("/bulk")
    @Consumes(Api.YAML)
    List<FlowWithSource> bulk(
        @Nullable @Body String sources,
        @Nullable @QueryValue Boolean delete,
        @Nullable @QueryValue String namespace,
        @Nullable @QueryValue Boolean allowNamespaceChild
    ) throws Exception {
        return replace(existing(namespace, Boolean.TRUE.equals(allowNamespaceChild)), sources, delete);
    }

    private List<FlowWithSource> existing(@Nullable String namespace, boolean childrenToo) {
        if (namespace == null) {
            return repository.findAllWithSource(Api.TENANT);
        }
        return childrenToo
            ? repository.findByNamespacePrefixWithSource(Api.TENANT, namespace)
            : repository.findByNamespaceWithSource(Api.TENANT, namespace);
    }

    private List<FlowWithSource> replace(
        List<FlowWithSource> existing, @Nullable String sources, @Nullable Boolean delete
    ) throws Exception {
        List<GenericFlow> wanted = new ArrayList<>();
        for (String source : documents(sources)) {
            wanted.add(GenericFlow.fromYaml(Api.TENANT, source));
        }
        Set<String> ids = wanted.stream().map(GenericFlow::getId).collect(Collectors.toSet());
        if (delete == null || delete) {
            existing.stream().filter(flow -> !ids.contains(flow.getId())).forEach(service::delete);
        }
        List<FlowWithSource> written = new ArrayList<>();
        for (GenericFlow flow : wanted) {
            written.add(service.importFlow(Api.TENANT, flow.getSource()));
        }
        return written;
    }

    private static List<String> documents(@Nullable String sources) {
        return sources == null
            ? List.of()
            : Arrays.stream(sources.split("---")).filter(source -> !source.isBlank()).toList();
    }
}
