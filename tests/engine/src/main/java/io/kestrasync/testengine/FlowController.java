package io.kestrasync.testengine;

import io.kestra.core.models.QueryFilter;
import io.kestra.core.models.flows.Flow;
import io.kestra.core.models.flows.FlowSource;
import io.kestra.core.models.flows.FlowWithSource;
import io.kestra.core.models.topologies.FlowTopologyGraph;
import io.kestra.core.models.validations.ValidateConstraintViolation;
import io.kestra.core.repositories.FlowRepositoryInterface;
import io.kestra.core.services.FlowService;
import io.kestra.core.topologies.FlowTopologyService;
import io.micronaut.core.annotation.Nullable;
import io.micronaut.http.HttpRequest;
import io.micronaut.http.HttpResponse;
import io.micronaut.http.MediaType;
import io.micronaut.http.annotation.Body;
import io.micronaut.http.annotation.Consumes;
import io.micronaut.http.annotation.Controller;
import io.micronaut.http.annotation.Delete;
import io.micronaut.http.annotation.Get;
import io.micronaut.http.annotation.PathVariable;
import io.micronaut.http.annotation.Post;
import io.micronaut.http.annotation.Put;
import io.micronaut.http.annotation.QueryValue;
import io.micronaut.http.multipart.CompletedFileUpload;
import io.micronaut.scheduling.TaskExecutors;
import io.micronaut.scheduling.annotation.ExecuteOn;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Optional;
import org.reactivestreams.Publisher;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** One flow at a time: create, read, update, delete, validate, search. */
@Controller(Api.ROOT + "/flows")
@ExecuteOn(TaskExecutors.IO)
class FlowController {
    private static final String DOCUMENT_BORDER = "\\n+---\\n*?";

    private final FlowService service;
    private final FlowRepositoryInterface repository;
    private final FlowWriter writer;
    private final FlowTopologyService topology;

    FlowController(
        FlowService service,
        FlowRepositoryInterface repository,
        FlowWriter writer,
        FlowTopologyService topology
    ) {
        this.service = service;
        this.repository = repository;
        this.writer = writer;
        this.topology = topology;
    }

    @Post
    @Consumes(Api.YAML)
    FlowWithSource create(@Body String source) throws Exception {
        return writer.create(source);
    }

    @Put("/{namespace}/{id}")
    @Consumes(Api.YAML)
    FlowWithSource update(@PathVariable String namespace, @PathVariable String id, @Body String source)
        throws Exception {
        // Absent: 404. (Kestra intends that too, but may hang instead.)
        return writer.update(source, find(namespace, id, Optional.empty(), false));
    }

    @Get("/{namespace}/{id}")
    Flow get(
        @PathVariable String namespace,
        @PathVariable String id,
        @Nullable @QueryValue Boolean source,
        @Nullable @QueryValue Integer revision,
        @Nullable @QueryValue Boolean allowDeleted
    ) {
        boolean deletedToo = Boolean.TRUE.equals(allowDeleted);
        if (Boolean.TRUE.equals(source)) {
            return find(namespace, id, Optional.ofNullable(revision), deletedToo);
        }
        return repository.findById(Api.TENANT, namespace, id, Optional.ofNullable(revision), deletedToo)
            .orElseThrow(NoSuchElementException::new);
    }

    @Get("/{namespace}/{id}/revisions")
    List<FlowWithSource> revisions(
        @PathVariable String namespace, @PathVariable String id, @Nullable @QueryValue Boolean allowDelete
    ) {
        return repository.findRevisions(Api.TENANT, namespace, id, Boolean.TRUE.equals(allowDelete));
    }

    @Delete("/{namespace}/{id}/revisions")
    HttpResponse<?> deleteRevisions(
        @PathVariable String namespace, @PathVariable String id, @QueryValue List<Integer> revisions
    ) {
        find(namespace, id, Optional.empty(), false);
        repository.deleteRevisions(Api.TENANT, namespace, id, revisions);
        return HttpResponse.noContent();
    }

    @Delete("/{namespace}/{id}")
    HttpResponse<?> delete(@PathVariable String namespace, @PathVariable String id) {
        service.delete(find(namespace, id, Optional.empty(), false));
        return HttpResponse.noContent();
    }

    @Get("/{namespace}/{id}/dependencies")
    FlowTopologyGraph dependencies(
        @PathVariable String namespace,
        @PathVariable String id,
        @Nullable @QueryValue Boolean destinationOnly,
        @Nullable @QueryValue Boolean expandAll
    ) {
        return topology.graph(
            service.findDependencies(
                Api.TENANT, namespace, id, Boolean.TRUE.equals(destinationOnly), Boolean.TRUE.equals(expandAll)),
            node -> node
        );
    }

    @Get("/search")
    Page<Flow> search(HttpRequest<?> request) {
        return Page.of(repository.find(
            Page.asked(request), Api.TENANT, Filters.of(request, QueryFilter.Resource.FLOW)));
    }

    @Get("/distinct-namespaces")
    List<String> namespaces(@Nullable @QueryValue String q) {
        return q == null
            ? repository.findDistinctNamespace(Api.TENANT)
            : repository.findDistinctNamespace(Api.TENANT, q);
    }

    @Get("/{namespace}")
    List<Flow> inNamespace(@PathVariable String namespace) {
        return repository.findByNamespace(Api.TENANT, namespace);
    }

    @Post("/validate")
    @Consumes(Api.YAML)
    List<ValidateConstraintViolation> validate(@Nullable @Body String sources) {
        String text = sources == null ? "" : sources.trim();
        return service.validate(Api.TENANT, Arrays.stream(text.split(DOCUMENT_BORDER))
            .map(source -> new FlowSource(null, source))
            .toList());
    }

    @Post("/validate")
    @Consumes(MediaType.MULTIPART_FORM_DATA)
    Mono<List<ValidateConstraintViolation>> validate(Publisher<CompletedFileUpload> flows) {
        return Flux.from(flows)
            .map(FlowController::source)
            .collectList()
            .map(sources -> service.validate(Api.TENANT, sources));
    }

    private static FlowSource source(CompletedFileUpload part) {
        try {
            return new FlowSource(part.getFilename(), new String(part.getBytes(), StandardCharsets.UTF_8).trim());
        } catch (IOException e) {
            throw new IllegalArgumentException(e);
        }
    }

    private FlowWithSource find(String namespace, String id, Optional<Integer> revision, boolean deletedToo) {
        return repository.findByIdWithSource(Api.TENANT, namespace, id, revision, deletedToo)
            .orElseThrow(NoSuchElementException::new);
    }
}
