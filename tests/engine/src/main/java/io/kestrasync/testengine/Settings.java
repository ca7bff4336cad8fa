package io.kestrasync.testengine;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/**
 * What the command line says.
 *
 * @param port     the port to listen on, -1 for any free one
 * @param data     where database and storage are kept; empty: in memory, gone with the process
 * @param username the user of basic authentication
 * @param password the password of basic authentication
 */
record Settings(int port, Optional<Path> data, String username, String password) {
    private static final String DEFAULT_USERNAME = "admin@kestra.io";
    private static final String DEFAULT_PASSWORD = "Engine-Pass1";

    static Settings parse(String[] args) {
        Map<String, String> given = new HashMap<>();
        for (int i = 0; i < args.length; i += 2) {
            if (!args[i].startsWith("--") || i + 1 == args.length) {
                throw new IllegalArgumentException("usage: [--port N] [--data DIR] [--username U] [--password P]");
            }
            given.put(args[i].substring(2), args[i + 1]);
        }
        return new Settings(
            Integer.parseInt(given.getOrDefault("port", "-1")),
            Optional.ofNullable(given.get("data")).map(Path::of),
            given.getOrDefault("username", DEFAULT_USERNAME),
            given.getOrDefault("password", DEFAULT_PASSWORD)
        );
    }

    /** The properties that complete application.yml. */
    Map<String, Object> properties() throws IOException {
        Path storage = data.isPresent()
            ? Files.createDirectories(data.get().resolve("storage")).toAbsolutePath()
            : deletedOnExit(Files.createTempDirectory("test-engine"));
        Map<String, Object> properties = new HashMap<>(Services.properties());
        properties.put("micronaut.server.host", "127.0.0.1");
        properties.put("micronaut.server.port", port);
        properties.put("datasources.h2.url", databaseUrl());
        properties.put("datasources.h2.username", "sa");
        properties.put("datasources.h2.password", "");
        properties.put("datasources.h2.driverClassName", "org.h2.Driver");
        properties.put("datasources.h2.maximum-pool-size", 20);
        properties.put("kestra.storage.local.base-path", storage.toString());
        properties.put("test-engine.username", username);
        properties.put("test-engine.password", password);
        return properties;
    }

    private String databaseUrl() {
        // With the cache of 8 statements that is the default, the queues' own are parsed at every poll.
        String options = ";TIME ZONE=UTC;DB_CLOSE_ON_EXIT=FALSE;QUERY_CACHE_SIZE=128";
        return data
            // Without WRITE_DELAY=0 H2 keeps half a second of commits in memory, so a killed server would
            // forget writes that it has already acknowledged. Kestra's PostgreSQL does not.
            .map(dir -> "jdbc:h2:file:" + dir.toAbsolutePath().resolve("kestra") + options + ";WRITE_DELAY=0")
            .orElse("jdbc:h2:mem:kestra;DB_CLOSE_DELAY=-1" + options);
    }

    private static Path deletedOnExit(Path dir) {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try (var files = Files.walk(dir)) {
                files.sorted((a, b) -> b.compareTo(a)).forEach(file -> file.toFile().delete());
            } catch (IOException ignored) {
                // A leftover in the temporary directory is not a failure.
            }
        }));
        return dir;
    }
}
