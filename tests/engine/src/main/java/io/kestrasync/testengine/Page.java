package io.kestrasync.testengine;

import io.kestra.core.repositories.ArrayListTotal;
import io.micronaut.data.model.Pageable;
import io.micronaut.data.model.Sort;
import io.micronaut.http.HttpRequest;
import java.util.List;
import java.util.function.Function;

/**
 * One page of a search.
 *
 * @param results what is on it
 * @param total   how many there are on all pages
 */
record Page<T>(List<T> results, long total) {
    private static final int DEFAULT_SIZE = 10;

    static <T> Page<T> of(ArrayListTotal<T> found) {
        return new Page<>(found, found.getTotal());
    }

    /** Reads {@code page} (from 1), {@code size} and {@code sort=field:direction}. */
    static Pageable asked(HttpRequest<?> request) {
        return asked(request, Function.identity());
    }

    /** The same, with the repository's own names for the fields of the JSON. */
    static Pageable asked(HttpRequest<?> request, Function<String, String> names) {
        int page = number(request, "page", 1);
        int size = number(request, "size", DEFAULT_SIZE);
        if (page < 1 || size < 1) {
            throw new IllegalArgumentException("page and size must be positive");
        }
        List<Sort.Order> orders = request.getParameters().getAll("sort").stream()
            .map(text -> order(text, names))
            .toList();
        return orders.isEmpty()
            ? Pageable.from(page, size)
            : Pageable.from(page, size, Sort.of(orders));
    }

    private static Sort.Order order(String text, Function<String, String> names) {
        String[] parts = text.split(":", 2);
        String field = names.apply(parts[0]);
        boolean descending = parts.length == 2 && parts[1].equalsIgnoreCase("desc");
        return descending ? Sort.Order.desc(field) : Sort.Order.asc(field);
    }

    private static int number(HttpRequest<?> request, String name, int otherwise) {
        return request.getParameters().getFirst(name).map(Integer::parseInt).orElse(otherwise);
    }
}
