package io.kestrasync.testengine;

/** What Kestra 2.0 calls things, where the name is all that differs from 1.3. */
final class Dialect {
    /** The tenant is part of every path. */
    static final String TENANT_PATH = "/{tenant}";
    /** The path before the actions on an execution. */
    static final String ACTIONS = "/actions";
    /** The query parameters from before filters are ignored. */
    static final boolean OLD_PARAMETERS = false;

    private Dialect() {
    }
}
