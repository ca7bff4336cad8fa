package io.kestrasync.testengine;

import io.kestra.core.models.QueryFilter;
import io.kestra.core.models.namespaces.files.NamespaceFileMetadata;
import io.kestra.core.namespace.NamespaceFileService;
import io.micronaut.data.model.Pageable;
import jakarta.inject.Singleton;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.List;

/** How Kestra 2.0 reads the path of a namespace file, and what it knows of files. */
@Singleton
class NamespaceFilePaths {
    private static final int LONGEST_NAME = 255;

    private final NamespaceFileService service;

    NamespaceFilePaths(NamespaceFileService service) {
        this.service = service;
    }

    /** As it is: a space stays a space. */
    static String read(String path) throws URISyntaxException {
        return new URI(null, null, path, null).getPath();
    }

    /** The path of an entry of an archive. */
    static String readEntry(String name) throws URISyntaxException {
        return read("/" + name);
    }

    static void checkWritable(String path) {
        for (Path part : Path.of(path)) {
            if (part.toString().length() > LONGEST_NAME) {
                throw new IllegalArgumentException(
                    "A file or folder name exceeds the maximum length of " + LONGEST_NAME + " characters.");
            }
        }
    }

    /** The number of entries directly in a directory, of any namespace; not counted beyond two. */
    int children(String directory) {
        return service.findMetadata(
            Pageable.from(1, 2),
            Api.TENANT,
            List.of(QueryFilter.builder()
                .field(QueryFilter.Field.PARENT_PATH)
                .operation(QueryFilter.Op.EQUALS)
                .value(directory)
                .build()),
            false).size();
    }

    /** The numbers of all revisions of a file; none of one that is not there now. */
    List<Integer> revisions(String namespace, String path) {
        List<NamespaceFileMetadata> all = service.findRevisions(Api.TENANT, namespace, path);
        boolean there = all.stream().anyMatch(it -> it.isLast() && !it.isDeleted());
        return there ? all.stream().map(NamespaceFileMetadata::getRevision).toList() : List.of();
    }
}
