package io.kestrasync.testengine;

import io.kestra.core.models.flows.FlowWithSource;
import io.kestra.core.models.namespaces.files.NamespaceFileMetadata;
import io.kestra.core.repositories.FlowRepositoryInterface;
import io.kestra.core.services.FlowService;
import io.kestra.core.storages.FileAttributes;
import io.kestra.core.storages.Namespace;
import io.kestra.core.storages.NamespaceFactory;
import io.kestra.core.storages.NamespaceFileAttributes;
import io.kestra.core.storages.StorageInterface;
import io.micronaut.core.annotation.Nullable;
import io.micronaut.http.HttpHeaders;
import io.micronaut.http.HttpResponse;
import io.micronaut.http.MediaType;
import io.micronaut.http.annotation.Consumes;
import io.micronaut.http.annotation.Controller;
import io.micronaut.http.annotation.Delete;
import io.micronaut.http.annotation.Get;
import io.micronaut.http.annotation.Part;
import io.micronaut.http.annotation.PathVariable;
import io.micronaut.http.annotation.Post;
import io.micronaut.http.annotation.Produces;
import io.micronaut.http.annotation.Put;
import io.micronaut.http.annotation.QueryValue;
import io.micronaut.http.multipart.CompletedFileUpload;
import io.micronaut.scheduling.TaskExecutors;
import io.micronaut.scheduling.annotation.ExecuteOn;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;
import java.util.zip.ZipOutputStream;

/** The files of a namespace. */
@Controller(Api.ROOT + "/namespaces/{namespace}/files")
@ExecuteOn(TaskExecutors.IO)
class NamespaceFileController {
    private static final String FLOWS = "_flows";
    private static final Path ROOT = Path.of("/");

    /** The number of a revision. */
    record Revision(Integer revision) {
    }

    private final NamespaceFactory namespaces;
    private final StorageInterface storage;
    private final FlowRepositoryInterface flows;
    private final FlowService flowService;
    private final NamespaceFilePaths paths;

    NamespaceFileController(
        NamespaceFactory namespaces,
        StorageInterface storage,
        FlowRepositoryInterface flows,
        FlowService flowService,
        NamespaceFilePaths paths
    ) {
        this.namespaces = namespaces;
        this.storage = storage;
        this.flows = flows;
        this.flowService = flowService;
        this.paths = paths;
    }

    @Get
    @Produces(MediaType.APPLICATION_OCTET_STREAM)
    HttpResponse<byte[]> read(
        @PathVariable String namespace, @QueryValue String path, @Nullable @QueryValue Integer revision
    ) throws IOException, URISyntaxException {
        try (var content = files(namespace).getFileContent(Path.of(plain(path)), revision)) {
            return HttpResponse.ok(content.readAllBytes()).header(HttpHeaders.CACHE_CONTROL, "no-cache");
        }
    }

    /** The paths of all files whose path has a text in it. */
    @Get("/search")
    List<String> search(@PathVariable String namespace, @QueryValue String q) throws IOException {
        return files(namespace).all(q).stream().map(file -> file.filePath().toString()).toList();
    }

    @Get("/stats")
    FileAttributes stats(@PathVariable String namespace, @Nullable @QueryValue String path)
        throws IOException, URISyntaxException {
        Namespace files = files(namespace);
        if (path == null || path.isEmpty()) {
            createRoot(files);
            return files.getFileMetadata(ROOT);
        }
        return files.getFileMetadata(Path.of(plain(path)));
    }

    @Get("/revisions")
    List<Revision> revisions(@PathVariable String namespace, @QueryValue String path)
        throws IOException, URISyntaxException {
        List<Integer> found = paths.revisions(namespace, plain(path));
        if (found.isEmpty()) {
            throw new FileNotFoundException("File not found: " + path);
        }
        return found.stream().map(Revision::new).toList();
    }

    @Get("/directory")
    List<FileAttributes> list(@PathVariable String namespace, @Nullable @QueryValue String path)
        throws IOException, URISyntaxException {
        Namespace files = files(namespace);
        Path directory = Path.of(path == null ? "/" : plain(path));
        if (directory.equals(ROOT)) {
            createRoot(files);
        } else if (!files.exists(directory)) {
            throw new FileNotFoundException("Directory not found: " + directory);
        }
        return files.children(directory.toString(), false).stream()
            .map(it -> (FileAttributes) new NamespaceFileAttributes(it))
            .toList();
    }

    private static void createRoot(Namespace files) throws IOException {
        if (!files.exists(ROOT)) {
            files.createDirectory(ROOT);
        }
    }

    @Get("/export")
    @Produces(MediaType.APPLICATION_OCTET_STREAM)
    HttpResponse<byte[]> export(@PathVariable String namespace) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        Namespace files = files(namespace);
        try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
            for (NamespaceFileMetadata file : files.children("/", true)) {
                if (!file.isDirectory()) {
                    try (var content = files.getFileContent(Path.of(file.getPath()))) {
                        add(zip, file.getPath().substring(1), content.readAllBytes());
                    }
                }
            }
            for (FlowWithSource flow : flows.findByNamespaceWithSource(Api.TENANT, namespace)) {
                add(zip, FLOWS + "/" + flow.getId() + ".yml", flow.getSource().getBytes(StandardCharsets.UTF_8));
            }
        }
        return HttpResponse.ok(bytes.toByteArray())
            .header(HttpHeaders.CONTENT_DISPOSITION, "attachment; filename=\"" + namespace + "_files.zip\"");
    }

    private static void add(ZipOutputStream zip, String name, byte[] content) throws IOException {
        zip.putNextEntry(new ZipEntry(name));
        zip.write(content);
        zip.closeEntry();
    }

    /** A part whose own name ends in {@code .zip} is unpacked into the root, whatever the path says. */
    @Post
    @Consumes(MediaType.MULTIPART_FORM_DATA)
    void write(@PathVariable String namespace, @QueryValue String path, @Part CompletedFileUpload fileContent)
        throws Exception {
        byte[] content = fileContent.getBytes();
        if (!fileContent.getFilename().toLowerCase(Locale.ROOT).endsWith(".zip")) {
            put(namespace, NamespaceFilePaths.read(path), content);
            return;
        }
        try (ZipInputStream zip = new ZipInputStream(new ByteArrayInputStream(content))) {
            for (ZipEntry entry = zip.getNextEntry(); entry != null; entry = zip.getNextEntry()) {
                if (!entry.isDirectory()) {
                    put(namespace, NamespaceFilePaths.readEntry(entry.getName()), zip.readAllBytes());
                }
            }
        }
    }

    private void put(String namespace, String path, byte[] content) throws Exception {
        if (path.startsWith("/" + FLOWS + "/")) {
            if (path.split("/").length != 3) {
                throw new IllegalArgumentException("Invalid flow file path: " + path);
            }
            String source = new String(content, StandardCharsets.UTF_8)
                .replaceFirst("(?m)^namespace: .*$", "namespace: " + namespace);
            flowService.importFlow(Api.TENANT, source);
            return;
        }
        NamespaceFilePaths.checkWritable(refuseFlows(path));
        files(namespace).putFile(Path.of(path), new ByteArrayInputStream(content));
    }

    @Post("/directory")
    void createDirectory(@PathVariable String namespace, @Nullable @QueryValue String path)
        throws IOException, URISyntaxException {
        files(namespace).createDirectory(path == null ? ROOT : Path.of(plain(path)));
    }

    @Put
    void move(@PathVariable String namespace, @QueryValue URI from, @QueryValue URI to) throws Exception {
        files(namespace).move(Path.of(refuseFlows(from.getPath())), Path.of(refuseFlows(to.getPath())));
    }

    /**
     * Deletes a file or a directory. 200 also for one that is not there; and then, as for any other, the directory
     * around it goes too if it holds exactly one entry: the neighbour. And so on, up to the root.
     */
    @Delete
    void delete(@PathVariable String namespace, @QueryValue String path) throws IOException, URISyntaxException {
        String doomed = plain(path.startsWith("/") ? path : "/" + path);
        String around = NamespaceFileMetadata.parentPath(doomed);
        while (around != null && !around.equals("/") && paths.children(around) == 1) {
            doomed = around;
            around = NamespaceFileMetadata.parentPath(around);
        }
        files(namespace).delete(Path.of(doomed));
    }

    /** The path as this version of Kestra reads it; those of flows are refused. */
    private static String plain(String path) throws URISyntaxException {
        return refuseFlows(NamespaceFilePaths.read(path));
    }

    private static String refuseFlows(String path) {
        if (path.matches("/" + FLOWS + "(/.*)?")) {
            throw new IllegalArgumentException("Forbidden path: " + path);
        }
        return path;
    }

    private Namespace files(String namespace) {
        return namespaces.of(Api.TENANT, namespace, storage);
    }
}
