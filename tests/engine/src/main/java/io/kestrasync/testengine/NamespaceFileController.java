package io.kestrasync.testengine;

import io.kestra.core.exceptions.FlowProcessingException;
import io.kestra.core.models.flows.FlowWithSource;
import io.kestra.core.repositories.FlowRepositoryInterface;
import io.kestra.core.services.FlowService;
import io.kestra.core.storages.FileAttributes;
import io.kestra.core.storages.Namespace;
import io.kestra.core.storages.NamespaceFactory;
import io.kestra.core.storages.NamespaceFile;
import io.kestra.core.storages.StorageInterface;
import io.micronaut.core.annotation.Nullable;
import io.micronaut.http.HttpHeaders;
import io.micronaut.http.HttpResponse;
import io.micronaut.http.MediaType;
import io.micronaut.http.annotation.Consumes;
import io.micronaut.http.annotation.Controller;
import io.micronaut.http.annotation.Delete;
import io.micronaut.http.annotation.Get;
import io.micronaut.http.annotation.PathVariable;
import io.micronaut.http.annotation.Post;
import io.micronaut.http.annotation.QueryValue;
import io.micronaut.http.multipart.CompletedFileUpload;
import io.micronaut.scheduling.TaskExecutors;
import io.micronaut.scheduling.annotation.ExecuteOn;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/** The files of a namespace. */
@Controller(Api.ROOT + "/namespaces/{namespace}/files")
@ExecuteOn(TaskExecutors.IO)
class NamespaceFileController {
    private static final String FLOWS = "_flows/";

    private final NamespaceFactory namespaces;
    private final StorageInterface storage;
    private final FlowRepositoryInterface flows;
    private final FlowService flowService;

    NamespaceFileController(
        NamespaceFactory namespaces,
        StorageInterface storage,
        FlowRepositoryInterface flows,
        FlowService flowService
    ) {
        this.namespaces = namespaces;
        this.storage = storage;
        this.flows = flows;
        this.flowService = flowService;
    }

    @Get
    HttpResponse<byte[]> read(@PathVariable String namespace, @QueryValue String path) throws IOException {
        Path file = Path.of(path);
        Namespace files = files(namespace);
        if (!files.exists(file)) {
            throw new FileNotFoundException(path);
        }
        try (var content = files.getFileContent(file)) {
            return HttpResponse.ok(content.readAllBytes())
                .contentType(MediaType.APPLICATION_OCTET_STREAM_TYPE)
                .header(HttpHeaders.CONTENT_DISPOSITION, "attachment; filename=\"" + file.getFileName() + "\"");
        }
    }

    @Get("/directory")
    List<Map<String, Object>> list(@PathVariable String namespace, @Nullable @QueryValue String path)
        throws IOException {
        String directory = path == null ? "/" : path;
        List<Map<String, Object>> found = new ArrayList<>();
        Namespace files = files(namespace);
        for (var child : files.children(directory, false)) {
            NamespaceFile file = NamespaceFile.fromMetadata(child);
            found.add(json(files.getFileMetadata(Path.of(file.path()))));
        }
        return found;
    }

    private static Map<String, Object> json(FileAttributes attributes) {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("fileName", attributes.getFileName());
        json.put("lastModifiedTime", attributes.getLastModifiedTime());
        json.put("creationTime", attributes.getCreationTime());
        json.put("type", attributes.getType());
        json.put("size", attributes.getSize());
        return json;
    }

    @Get("/export")
    HttpResponse<byte[]> export(@PathVariable String namespace) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
            for (NamespaceFile file : files(namespace).all()) {
                try (var content = files(namespace).getFileContent(Path.of(file.path()))) {
                    add(zip, file.path().replaceFirst("^/", ""), content.readAllBytes());
                }
            }
            for (FlowWithSource flow : flows.findByNamespaceWithSource(Api.TENANT, namespace)) {
                add(zip, FLOWS + flow.getId() + ".yml", flow.getSource().getBytes(StandardCharsets.UTF_8));
            }
        }
        return HttpResponse.ok(bytes.toByteArray())
            .contentType(MediaType.APPLICATION_OCTET_STREAM_TYPE)
            .header(HttpHeaders.CONTENT_DISPOSITION, "attachment; filename=\"" + namespace + "_files.zip\"");
    }

    private static void add(ZipOutputStream zip, String name, byte[] content) throws IOException {
        zip.putNextEntry(new ZipEntry(name));
        zip.write(content);
        zip.closeEntry();
    }

    @Post
    @Consumes(MediaType.MULTIPART_FORM_DATA)
    void write(
        @PathVariable String namespace, @QueryValue String path, CompletedFileUpload fileContent
    ) throws IOException, URISyntaxException, FlowProcessingException {
        byte[] content = fileContent.getBytes();
        if (path.replaceFirst("^/", "").startsWith(FLOWS)) {
            flowService.importFlow(Api.TENANT, new String(content, StandardCharsets.UTF_8));
            return;
        }
        files(namespace).putFile(Path.of(path), new ByteArrayInputStream(content));
    }

    @Post("/directory")
    void createDirectory(@PathVariable String namespace, @QueryValue String path) throws IOException {
        files(namespace).createDirectory(Path.of(path));
    }

    @Delete
    HttpResponse<?> delete(@PathVariable String namespace, @QueryValue String path) throws IOException {
        files(namespace).delete(Path.of(path));
        return HttpResponse.ok();
    }

    private Namespace files(String namespace) {
        return namespaces.of(Api.TENANT, namespace, storage);
    }
}
