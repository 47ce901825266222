//! Compose files → the containers that the engine would show, and the way back to lines.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use seaway_config::files::FileText;
use seaway_config::statics::{FileOptions, StaticOptions};
use seaway_config::suggest::nearest;
use seaway_config::{Code, Diagnostic, Origin, Severity};
use seaway_labels::compose::{self, Place, Project, Service, Sources};
use seaway_labels::statics::{self, StaticFile};
use seaway_provider::docker::{Attachment, Binding, BuildOptions, Container, Protocol};
use seaway_provider::file::FileProvider;
use seaway_provider::{Declarations, Update, updates};
use tokio::sync::mpsc;

use super::judge::{Case, judge, said};
use super::{Asked, Finding, extra, folder};

/// Replicas beyond these say nothing new.
const MOST_REPLICAS: u32 = 3;
/// What stands for the ports that only an image knows.
const ASSUMED_PORT: u16 = 80;

pub(super) fn look(files: &[(String, String)], asked: &Asked, environment: &[(String, String)]) -> Vec<Finding> {
    let first = files.first().map(|(file, _)| folder(file)).unwrap_or_default();
    let dot_env = std::fs::read_to_string(first.join(".env")).unwrap_or_default();
    let mut variables: BTreeMap<String, String> = read_env(&dot_env);
    variables.extend(environment.iter().cloned());
    let name = variables.get("COMPOSE_PROJECT_NAME").cloned().unwrap_or_else(|| project_name(&first));
    let variable = |name: &str| variables.get(name).cloned();
    let open = |from: &str, named: &str| {
        let path = folder(from).join(named);
        let text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
        Ok((path.display().to_string(), text))
    };
    let mut project = compose::read(files, &name, &Sources { variable: &variable, open: &open });
    let mut profiles = asked.profiles.clone();
    let active = variables.get("COMPOSE_PROFILES").map(String::as_str).unwrap_or_default();
    profiles.extend(active.split(',').map(|name| name.trim().to_owned()));
    let is_active = |service: &Service| {
        service.profiles.is_empty()
            || service.profiles.iter().any(|p| profiles.contains(p))
            || profiles.iter().any(|p| p == "*")
    };
    project.services.retain(|_, service| is_active(service));
    Check { project: &project, found: Vec::new() }.run(asked)
}

struct Check<'a> {
    project: &'a Project,
    found: Vec<Finding>,
}

impl Check<'_> {
    fn run(mut self, asked: &Asked) -> Vec<Finding> {
        self.faults();
        self.services();
        let proxy = self.project.services.values().find(|service| is_proxy(service));
        let Some(options) = self.options(proxy, asked) else { return self.found };
        let docker = options.providers.docker.clone().unwrap_or_default();
        let mut build = match BuildOptions::new("docker", &docker) {
            Ok(build) => build,
            Err(found) => {
                for diagnostic in found {
                    self.tell_static(proxy, diagnostic);
                }
                return self.found;
            }
        };
        let containers = self.containers();
        build.own = proxy.and_then(|proxy| id_of(&containers, &self.project.name, &proxy.name));
        build.host_address = Some(IpAddr::V4(Ipv4Addr::new(172, 17, 0, 1)));
        let (files, mut unseen) = self.file_provider(proxy, &options);
        if proxy.is_none() || options.providers.http.is_some() {
            unseen.push("http");
        }
        let any_entry_point =
            proxy.is_none() && !asked.flags.iter().any(|flag| flag.to_ascii_lowercase().starts_with("--entrypoints."));
        let containers = Arc::new(containers);
        let (table, found) = judge(Case {
            options: &options,
            build,
            containers: &containers,
            files: files.as_ref(),
            text: &|path| text_of(proxy, path),
            unseen: &unseen,
            any_entry_point,
        });
        for diagnostic in found.into_iter().chain(extra::of_table(&table)) {
            let (place, whose) = self.place(&containers, &diagnostic.origin);
            self.found.push(Finding { place, whose, diagnostic });
        }
        self.found
    }

    /// What is wrong with the files themselves.
    fn faults(&mut self) {
        for fault in &self.project.faults {
            let (code, severity, then) = match fault.is_unset {
                true => (Code::UnsetVariable, Severity::Warning, "a dollar that is meant is written $$"),
                false => (Code::UnreadableCompose, Severity::Error, "Compose refuses it, or this part is not checked"),
            };
            let mut diagnostic = said(code, severity, "", fault.message.clone(), then);
            diagnostic.origin.key = fault.key.as_str().into();
            self.found.push(Finding { place: Some(fault.place.clone()), whose: String::new(), diagnostic });
        }
    }

    fn tell(&mut self, service: &Service, place: &Place, key: &str, mut diagnostic: Diagnostic) {
        diagnostic.origin.key = key.into();
        self.found.push(Finding { place: Some(place.clone()), whose: service.name.clone(), diagnostic });
    }

    /// What is wrong with a service whatever its labels say.
    fn services(&mut self) {
        let project = self.project;
        for service in project.services.values() {
            let name = &service.name;
            let is_label =
                |key: &str| ["traefik.", "seaway."].iter().any(|root| key.to_ascii_lowercase().starts_with(root));
            for (key, text) in service.deploy_labels.iter().filter(|(key, _)| is_label(key)) {
                let what = "a label below deploy belongs to a Swarm service, and containers do not get it".to_owned();
                let note = said(Code::DeployLabels, Severity::Warning, name, what, "it has no effect");
                self.tell(service, &text.place, key, note.fix("put it below labels of the service"));
            }
            for network in &service.networks {
                if !project.networks.contains_key(&network.value) {
                    let what = format!("there is no network {}", network.value);
                    let mut note =
                        said(Code::UnreadableCompose, Severity::Error, name, what, "Compose refuses the file");
                    if let Some(near) = nearest(&network.value, project.networks.keys().map(String::as_str)) {
                        note = note.fix(format!("did you mean {near}?"));
                    }
                    self.tell(service, &network.place, "networks", note);
                }
            }
            if service.count() < 2 {
                continue;
            }
            let many = service.count();
            if let Some(fixed) = &service.container_name {
                let what = format!("{many} replicas cannot all be called {}", fixed.value);
                let note =
                    said(Code::ScaledContainerName, Severity::Error, name, what, "Compose refuses to start them");
                self.tell(service, &fixed.place, "container_name", note.fix("remove container_name"));
            }
            for port in &service.ports {
                let Some(host) = port.host else { continue };
                let what = format!("{many} replicas cannot all have port {host} of the host");
                let note = said(Code::ScaledHostPort, Severity::Error, name, what, "only the first one starts");
                let fix = format!("remove it, or leave the choice to the engine: \"{}\"", port.container);
                self.tell(service, &port.place, "ports", note.fix(fix));
            }
        }
    }

    /// The static options: those of the service that is the proxy, and the flags of the command line over them.
    fn options(&mut self, proxy: Option<&Service>, asked: &Asked) -> Option<StaticOptions> {
        let mut arguments = proxy.map(arguments).unwrap_or_default();
        arguments.extend(asked.flags.iter().cloned());
        let environment: Vec<(String, String)> = proxy
            .map(|proxy| proxy.environment.iter().map(|(name, text)| (name.clone(), text.value.clone())).collect())
            .unwrap_or_default();
        let file = proxy.and_then(|proxy| static_file(proxy, &arguments, &environment));
        match statics::parse_all(&arguments, &environment, file.as_ref()) {
            Ok(parsed) => {
                for diagnostic in parsed.warnings {
                    self.tell_static(proxy, diagnostic);
                }
                Some(parsed.options)
            }
            Err(found) => {
                for diagnostic in found {
                    self.tell_static(proxy, diagnostic);
                }
                None
            }
        }
    }

    fn tell_static(&mut self, proxy: Option<&Service>, diagnostic: Diagnostic) {
        let key = diagnostic.origin.key.to_ascii_lowercase();
        let of_file = line_of(&diagnostic.origin.resource);
        let place = of_file.or_else(|| {
            let proxy = proxy?;
            let word = proxy.entrypoint.iter().chain(&proxy.command).find(|word| {
                let flag = word.value.to_ascii_lowercase();
                let name = flag.split('=').next().unwrap_or_default();
                name.trim_start_matches('-') == key.trim_start_matches('-')
            });
            let variable = proxy.environment.iter().find(|(name, _)| name.eq_ignore_ascii_case(&key));
            let place = word.map(|word| &word.place).or_else(|| variable.map(|(_, text)| &text.place));
            Some(place.unwrap_or(&proxy.place).clone())
        });
        let whose = proxy.map(|proxy| proxy.name.clone()).unwrap_or_default();
        self.found.push(Finding { place, whose, diagnostic });
    }

    /// What the file provider of the proxy declares, if its files are here, and the providers that cannot be seen.
    fn file_provider(
        &mut self,
        proxy: Option<&Service>,
        options: &StaticOptions,
    ) -> (Option<Declarations>, Vec<&'static str>) {
        let unseen = vec![seaway_provider::file::NAME];
        let Some((proxy, file)) = proxy.zip(options.providers.file.as_ref()) else {
            return (None, if proxy.is_none() { unseen } else { Vec::new() });
        };
        let here = |path: &str| match path.is_empty() {
            true => Some(String::new()),
            false => on_host(proxy, path).map(|path| path.display().to_string()),
        };
        let (Some(filename), Some(directory)) = (here(&file.filename), here(&file.directory)) else {
            let what = "the files of providers.file are not in a folder of the host".to_owned();
            let note = said(Code::Unseen, Severity::Info, &proxy.name, what, "what they declare is not checked");
            self.tell(proxy, &proxy.place, "providers.file", note);
            return (None, unseen);
        };
        let local = FileOptions { filename, directory, watch: false, ..file.clone() };
        match FileProvider::new(&local).and_then(declared) {
            Ok(declarations) => (Some(declarations), Vec::new()),
            Err(what) => {
                let note = said(Code::Unseen, Severity::Info, &proxy.name, what, "what they declare is not checked");
                self.tell(proxy, &proxy.place, "providers.file", note);
                (None, unseen)
            }
        }
    }

    /// Every container that would run, sorted by id.
    fn containers(&self) -> Vec<Arc<Container>> {
        let project = self.project;
        let mut all = Vec::new();
        for service in project.services.values() {
            for number in 1..=service.count().clamp(1, MOST_REPLICAS) {
                all.push((service, number));
            }
        }
        let id = |at: usize| format!("{:064x}", at + 1);
        let first = |name: &str| all.iter().position(|(service, _)| service.name == name).map(id);
        let made = all.iter().enumerate().map(|(at, (service, number))| {
            let mode = match service.network_mode.split_once(':') {
                Some(("service", other)) => format!("container:{}", first(other).unwrap_or_default()),
                _ => service.network_mode.clone(),
            };
            let default = [("default".to_owned(), ())];
            let named: Vec<&str> = match (service.networks.is_empty(), mode.is_empty()) {
                (false, _) => service.networks.iter().map(|network| network.value.as_str()).collect(),
                (true, true) => default.iter().map(|(name, ())| name.as_str()).collect(),
                (true, false) => Vec::new(),
            };
            let networks = named.iter().filter_map(|key| attach(project, key, at)).collect::<Vec<_>>();
            let mut labels: BTreeMap<String, String> =
                service.labels.iter().map(|(key, text)| (key.clone(), text.value.clone())).collect();
            for (key, value) in [
                ("com.docker.compose.project", project.name.clone()),
                ("com.docker.compose.service", service.name.clone()),
                ("com.docker.compose.container-number", number.to_string()),
                ("com.docker.compose.oneoff", "False".to_owned()),
            ] {
                labels.insert(key.to_owned(), value);
            }
            let protocol = |is_udp: bool| if is_udp { Protocol::Udp } else { Protocol::Tcp };
            let mut exposed: Vec<(u16, Protocol)> = service.expose.iter().map(|port| (*port, Protocol::Tcp)).collect();
            exposed.extend(service.ports.iter().map(|port| (port.container, protocol(port.is_udp))));
            if exposed.is_empty() {
                exposed.push((ASSUMED_PORT, Protocol::Tcp));
            }
            let binding = |port: &compose::Port| {
                port.host.map(|host_port| Binding {
                    container_port: port.container,
                    protocol: protocol(port.is_udp),
                    host_ip: port.address.clone(),
                    host_port,
                })
            };
            Arc::new(Container {
                id: id(at),
                name: container_name(project, service, *number),
                labels,
                created: "2000-01-01T00:00:00Z".to_owned(),
                started_at: "2000-01-01T00:00:00Z".to_owned(),
                network_mode: if mode.is_empty() { "bridge".to_owned() } else { mode },
                networks,
                exposed,
                bindings: service.ports.iter().filter_map(binding).collect(),
                image: service.image.clone(),
                ..Container::default()
            })
        });
        made.collect()
    }

    /// The line that a diagnostic is about, and the service.
    fn place(&self, containers: &[Arc<Container>], origin: &Origin) -> (Option<Place>, String) {
        let container = containers.iter().find(|container| *container.name == *origin.resource);
        let service = container
            .and_then(|container| container.labels.get("com.docker.compose.service"))
            .and_then(|name| self.project.services.get(name));
        let Some(service) = service else {
            return (line_of(&origin.resource), origin.resource.to_string());
        };
        let key = origin.key.to_ascii_lowercase();
        let labels = || service.labels.iter().map(|(label, text)| (label.to_ascii_lowercase(), &text.place));
        let exact = labels().find(|(label, _)| *label == key);
        let common = |label: &str| label.split('.').zip(key.split('.')).take_while(|(a, b)| a == b).count();
        // The one that has the most in common; of several, the one that stands first. A root alone is nothing.
        let near = || {
            labels()
                .filter(|(label, _)| common(label) > 3)
                .max_by_key(|(l, place)| (common(l), std::cmp::Reverse(place.line)))
        };
        let found = exact.or_else(near).map(|(_, place)| place.clone());
        (Some(found.unwrap_or_else(|| service.place.clone())), service.name.clone())
    }
}

fn container_name(project: &Project, service: &Service, number: u32) -> String {
    match &service.container_name {
        Some(name) if number == 1 => name.value.clone(),
        _ => format!("{}-{}-{number}", project.name, service.name),
    }
}

fn id_of(containers: &[Arc<Container>], project: &str, service: &str) -> Option<String> {
    let label = |container: &Container, key: &str, value: &str| container.labels.get(key).is_some_and(|v| v == value);
    let is = |container: &&Arc<Container>| {
        label(container, "com.docker.compose.service", service)
            && label(container, "com.docker.compose.project", project)
    };
    containers.iter().find(is).map(|container| container.id.clone())
}

/// One address for each container in each network.
fn attach(project: &Project, key: &str, at: usize) -> Option<Attachment> {
    // One that is not declared was told of already.
    let name = project.networks.get(key).cloned().unwrap_or_else(|| format!("{}_{key}", project.name));
    let number = project.networks.keys().position(|known| known == key).and_then(|at| u32::try_from(at).ok());
    let number = number.unwrap_or(u32::MAX);
    let host = u32::try_from(at).ok()?.checked_add(2)?;
    let base = u32::from(Ipv4Addr::new(10, 0, 0, 0));
    let ipv4 = Ipv4Addr::from(base | (number.min(255) << 16) | host.min(0xffff));
    Some(Attachment { id: format!("network-{name}"), name, ipv4: Some(ipv4), ipv6: None })
}

/// The service that runs Seaway, or Traefik: by its image, or by a flag that only they know.
fn is_proxy(service: &Service) -> bool {
    let image = service.image.split('@').next().unwrap_or_default();
    let last = image.rsplit('/').next().unwrap_or_default();
    let name = last.split(':').next().unwrap_or_default();
    let flag = |text: &str| text.to_ascii_lowercase().starts_with("--providers.docker");
    matches!(name, "traefik" | "seaway") || service.command.iter().any(|word| flag(&word.value))
}

fn arguments(service: &Service) -> Vec<String> {
    let words = service.entrypoint.iter().chain(&service.command).map(|word| word.value.clone());
    // What starts the program is none of its options.
    words.skip_while(|word| !word.starts_with('-')).collect()
}

/// The path on the host of a path in the container; nothing where no folder of the host is there.
fn on_host(service: &Service, path: &str) -> Option<PathBuf> {
    let path = Path::new(path);
    let inside = |mount: &&compose::Mount| path.starts_with(&mount.target);
    let mount = service.volumes.iter().filter(inside).max_by_key(|mount| mount.target.len())?;
    if !mount.source.starts_with(['.', '/']) {
        return None;
    }
    let source = folder(&mount.file).join(mount.source.strip_prefix("./").unwrap_or(&mount.source));
    let rest = path.strip_prefix(&mount.target).ok()?;
    Some(if rest.as_os_str().is_empty() { source } else { source.join(rest) })
}

fn static_file(proxy: &Service, arguments: &[String], environment: &[(String, String)]) -> Option<StaticFile> {
    let named = statics::config_file(arguments, environment);
    let places = named.map_or_else(|| statics::usual_places(environment), |path| vec![path]);
    places.iter().find_map(|path| {
        let path = on_host(proxy, path.to_str()?)?;
        let text = std::fs::read_to_string(&path).ok()?;
        Some(StaticFile { path, text })
    })
}

/// The text of a file that a middleware names, as far as it is here. A volume may have it.
fn text_of(proxy: Option<&Service>, path: &str) -> FileText {
    let Some(proxy) = proxy else { return FileText::new("") };
    match on_host(proxy, path) {
        Some(path) => match std::fs::read_to_string(&path) {
            Ok(text) => FileText::new(&text),
            Err(error) => FileText::unreadable(&format!("{}: {error}", path.display())),
        },
        None if proxy.volumes.iter().any(|volume| Path::new(path).starts_with(&volume.target)) => FileText::new(""),
        None => FileText::unreadable(&format!("no volume of {} has it", proxy.name)),
    }
}

/// What the files say now, by the provider itself.
fn declared(provider: FileProvider) -> Result<Declarations, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    runtime.block_on(async {
        let (sender, mut received) = updates();
        let (_reload, asked) = mpsc::unbounded_channel();
        let first = async {
            while let Some(update) = received.recv().await {
                if let Update::Declared { declarations, .. } = update {
                    return Ok((*declarations).clone());
                }
            }
            Err("the files say nothing".to_owned())
        };
        tokio::select! {
            found = first => found,
            () = provider.run(sender, asked) => Err("the files say nothing".to_owned()),
        }
    })
}

/// `dynamic.yml:12` as a place.
fn line_of(resource: &str) -> Option<Place> {
    let (file, line) = resource.rsplit_once(':')?;
    Some(Place { file: file.to_owned(), line: line.parse().ok()? })
}

/// The name that Compose gives a project: the folder's, without what names cannot have.
fn project_name(first: &Path) -> String {
    let here = std::fs::canonicalize(if first.as_os_str().is_empty() { Path::new(".") } else { first });
    let folder = here.ok().and_then(|path| path.file_name().map(|name| name.to_string_lossy().to_lowercase()));
    let kept: String = folder
        .unwrap_or_default()
        .chars()
        .filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'))
        .collect();
    let name = kept.trim_start_matches(['-', '_']);
    if name.is_empty() { "project".to_owned() } else { name.to_owned() }
}

/// `NAME=value` by lines, with comments and quotes.
fn read_env(text: &str) -> BTreeMap<String, String> {
    let line = |line: &str| {
        let line = line.trim();
        let (name, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
        if name.starts_with('#') {
            return None;
        }
        let value = value.trim();
        let quoted = ['"', '\''].iter().find_map(|q| value.strip_prefix(*q)?.strip_suffix(*q));
        let plain = || value.split(" #").next().unwrap_or_default().trim_end();
        Some((name.trim().to_owned(), quoted.unwrap_or_else(plain).to_owned()))
    };
    text.lines().filter_map(line).collect()
}
