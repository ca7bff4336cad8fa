package io.kestrasync.testengine;

/** What Kestra 1.3 calls things, where the name is all that differs from 2.0. */
final class Dialect {
    /** The tenant may be left out of a path. */
    static final String TENANT_PATH = "{/tenant}";
    /** The path before the actions on an execution: empty. */
    static final String ACTIONS = "";
    /** The query parameters from before filters still work. */
    static final boolean OLD_PARAMETERS = true;

    private Dialect() {
    }
}
