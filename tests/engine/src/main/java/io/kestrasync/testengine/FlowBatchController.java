package io.kestrasync.testengine;

import io.kestra.core.models.HasSource;
import io.kestra.core.models.QueryFilter;
import io.kestra.core.models.flows.FlowWithSource;
import io.kestra.core.repositories.FlowRepositoryInterface;
import io.kestra.core.services.FlowService;
import io.micronaut.data.model.Pageable;
import io.micronaut.http.HttpHeaders;
import io.micronaut.http.HttpRequest;
import io.micronaut.http.HttpResponse;
import io.micronaut.http.MediaType;
import io.micronaut.http.annotation.Body;
import io.micronaut.http.annotation.Consumes;
import io.micronaut.http.annotation.Controller;
import io.micronaut.http.annotation.Delete;
import io.micronaut.http.annotation.Get;
import io.micronaut.http.annotation.Post;
import io.micronaut.http.annotation.Produces;
import io.micronaut.http.multipart.CompletedFileUpload;
import io.micronaut.scheduling.TaskExecutors;
import io.micronaut.scheduling.annotation.ExecuteOn;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.function.Function;

/** Many flows in one call: export, import, the switches of the UI. */
@Controller(Api.ROOT + "/flows")
@ExecuteOn(TaskExecutors.IO)
class FlowBatchController {
    /** How a flow is named in a list of ids. */
    record IdWithNamespace(String namespace, String id) {
    }

    private final FlowService service;
    private final FlowRepositoryInterface repository;
    private final FlowWriter writer;

    FlowBatchController(FlowService service, FlowRepositoryInterface repository, FlowWriter writer) {
        this.service = service;
        this.repository = repository;
        this.writer = writer;
    }

    @Get("/export/by-query")
    @Produces(MediaType.APPLICATION_OCTET_STREAM)
    HttpResponse<byte[]> export(HttpRequest<?> request) throws IOException {
        List<FlowWithSource> flows = repository.findWithSource(
            Pageable.UNPAGED, Api.TENANT, Filters.of(request, QueryFilter.Resource.FLOW));
        return zip(flows, flow -> flow.getNamespace() + "-" + flow.getId() + ".yml");
    }

    @Post("/export/by-ids")
    @Produces(MediaType.APPLICATION_OCTET_STREAM)
    HttpResponse<byte[]> export(@Body List<IdWithNamespace> ids) throws IOException {
        return zip(ids.stream().map(this::find).toList(), flow -> flow.getNamespace() + "." + flow.getId() + ".yaml");
    }

    private static HttpResponse<byte[]> zip(List<FlowWithSource> flows, Function<FlowWithSource, String> name)
        throws IOException {
        return HttpResponse.ok(HasSource.asZipFile(flows, name))
            .header(HttpHeaders.CONTENT_DISPOSITION, "attachment; filename=\"flows.zip\"");
    }

    @Post("/import")
    @Consumes(MediaType.MULTIPART_FORM_DATA)
    List<String> importFile(CompletedFileUpload fileUpload) throws IOException {
        List<String> failed = new ArrayList<>();
        writer.readSources(fileUpload, (source, name) -> {
            try {
                service.importFlow(Api.TENANT, source);
            } catch (Exception e) {
                failed.add(name);
            }
        });
        return failed;
    }

    /** One after the other, here and below: an unknown one is 404 when those before it are done. */
    @Delete("/delete/by-ids")
    Map<String, Integer> delete(@Body List<IdWithNamespace> ids) {
        ids.forEach(it -> service.delete(find(it)));
        return Map.of("count", ids.size());
    }

    @Post("/disable/by-ids")
    Map<String, Integer> disable(@Body List<IdWithNamespace> ids) throws Exception {
        return toggle(ids, true);
    }

    @Post("/enable/by-ids")
    Map<String, Integer> enable(@Body List<IdWithNamespace> ids) throws Exception {
        return toggle(ids, false);
    }

    /** What the UI's switch does: it edits the source. To switch on what is on counts, and makes a revision. */
    private Map<String, Integer> toggle(List<IdWithNamespace> ids, boolean disabled) throws Exception {
        int count = 0;
        for (IdWithNamespace it : ids) {
            FlowWithSource flow = find(it);
            if (!disabled || !flow.isDisabled()) {
                writer.replace(FlowService.injectDisabled(flow.getSource(), disabled), flow);
                count++;
            }
        }
        return Map.of("count", count);
    }

    private FlowWithSource find(IdWithNamespace it) {
        return repository
            .findByIdWithSource(Api.TENANT, it.namespace(), it.id(), Optional.empty(), false)
            .orElseThrow(() -> new NoSuchElementException("flow " + it.namespace() + "." + it.id()));
    }
}
