package io.kestrasync.testengine;

/** What all controllers share. */
final class Api {
    /** Below this are all endpoints of a tenant. */
    static final String ROOT = "/api/v1" + Dialect.TENANT_PATH;
    /** The one tenant of the open-source edition. */
    static final String TENANT = "main";
    static final String YAML = "application/x-yaml";

    private Api() {
    }
}
