//! Providers beside Docker.

use std::collections::BTreeMap;
use std::time::Duration;

use super::DockerTls;
use crate::decode::options;

options! {
    /// `providers.file`.
    section struct FileOptions {
        filename: String = String::new(), "filename", "", "A file with routers, services and middlewares.";
        directory: String = String::new(), "directory", "", "A folder with such files: *.yml, *.yaml and *.toml in it and below.";
        watch: bool = true, "watch", "true", "Apply changes as they are made; SIGHUP reads all of it again in any case.";
        debug_log_generated_template: bool = false, "debugLogGeneratedTemplate", "false", "Accepted for compatibility: templates are not logged, they may hold secrets.";
    }

    /// `providers.http`.
    section struct HttpProviderOptions {
        endpoint: String = String::new(), "endpoint", "", "URL that answers with such a file, in JSON or YAML.";
        poll_interval: Duration = Duration::from_secs(5), "pollInterval", "5s", "Time between two questions.";
        poll_timeout: Duration = Duration::from_secs(5), "pollTimeout", "5s", "Time that an answer may take.";
        headers: BTreeMap<String, String> = BTreeMap::new(), "headers", "", "Headers to send with the question.";
        tls: Option<DockerTls> = None, "tls", "", "TLS towards an https:// endpoint.";
    }
}
