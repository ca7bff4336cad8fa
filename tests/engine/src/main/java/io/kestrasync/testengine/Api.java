package io.kestrasync.testengine;

/** What all controllers share. */
final class Api {
    /** The tenant is optional in the path, as on Kestra 1.x. */
    static final String ROOT = "/api/v1{/tenant}";
    /** The one tenant of the open-source edition. */
    static final String TENANT = "main";
    static final String YAML = "application/x-yaml";

    private Api() {
    }
}
