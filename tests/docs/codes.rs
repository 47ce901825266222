//! `docs/reference/diagnostics.md`: every code with its meaning, which stands beside it in the source, its consequence
//! and its cure, which stand here.

use std::fmt::Write as _;

use super::markdown::cell;

/// Each code with what happens then, and how to mend it.
const CURES: &[(u16, &str, &str)] = &[
    (
        101,
        "A router with it answers 503; a middleware with it takes its routers along; an unknown tuning option of a load balancer is ignored.",
        "Take the name that the message suggests. Own options of Seaway stand below `seaway.`.",
    ),
    (
        102,
        "As with SW0101: the object is off, a tuning option of a load balancer keeps its default.",
        "Give a value of the form that the message names.",
    ),
    (103, "As with SW0101.", "Write an option behind it: not `…sticky=x` but `…sticky.cookie.name=x`."),
    (
        104,
        "Every router of the container or file answers 503, because any of them could be meant.",
        "Write `traefik.http.routers.<name>.…`, `…services.<name>.…` or `…middlewares.<name>.…`; in a file, mend the indentation.",
    ),
    (105, "Every router of the container answers 503.", "Spell the root `traefik.` or `seaway.`."),
    (
        106,
        "Every router of the container answers 503.",
        "`traefik.enable` takes `true` or `false`; below `traefik.docker.` there are `network` and `allownonrunning`.",
    ),
    (
        107,
        "The object is off; where only the list of faults is cut, nothing is.",
        "Shorten the value; several routers may share a long rule's alternatives.",
    ),
    (
        108,
        "What needs it is off; TCP and UDP labels, and most static options, are only ignored.",
        "Leave it out, or see what works in the [table](../compatibility.md).",
    ),
    (
        110,
        "The one that is named counts. Two lists of middlewares that differ take the router off.",
        "Keep one of the two labels.",
    ),
    (111, "The object is off.", "Remove the control characters; labels are UTF-8."),
    (112, "The object is off.", "Use a name without `@`; that sign stands before a provider."),
    (113, "Nothing: the option is left out.", "Remove it, or use the successor that is named."),
    (
        201,
        "The router is off. Nobody can know which requests it meant: they go to whatever else takes them, or get 404.",
        "The message shows the place and what could stand there.",
    ),
    (
        202,
        "The router keeps its place and answers 503, so that no other router gets its requests.",
        "Mend the fault that is named.",
    ),
    (
        203,
        "The router answers 503; it is never served without the middleware.",
        "Mend the name, or add `@file` or `@docker` where another provider has it.",
    ),
    (204, "The router answers 503.", "Mend the middleware; its own fault is listed as well."),
    (205, "The router answers 503.", "Mend the name, or add the provider: `app@file`."),
    (
        206,
        "That entry point is left out; a router without any valid one is off.",
        "Name one of those that `--entryPoints.<name>.address` declares.",
    ),
    (
        207,
        "The router answers 503, or none is made by itself.",
        "Say which: `traefik.http.routers.<name>.service=<service>`.",
    ),
    (208, "Both are served; the name decides which is asked first.", "Give one of them a `priority`."),
    (
        209,
        "The router answers 503; on an entry point with `http.tls`, all of them do.",
        "Leave TLS to what stands in front of Seaway, and remove the `tls` options.",
    ),
    (
        210,
        "The router answers 503.",
        "`--api` allows it for Seaway's own container, `--seaway.labels.allowInternal` for all; files may always.",
    ),
    (211, "The router answers 503.", "Choose a smaller priority."),
    (
        212,
        "The router is off, or none is made by itself.",
        "Mend `--providers.docker.defaultRule`, or give the router a `rule`.",
    ),
    (213, "The router answers 503.", "Mend the service; its own fault is listed as well."),
    (301, "Routers that use it answer 503.", "Mend the option that is named."),
    (
        302,
        "The service has no server from this container.",
        "`traefik.http.services.<name>.loadbalancer.server.port=<port>`.",
    ),
    (303, "The service has no server from this container.", "Attach the container to a network that Seaway is on too."),
    (
        304,
        "The server is listed as unreachable and gets no requests; the others do.",
        "Attach Seaway's container to that network, or name a common one with `traefik.docker.network`.",
    ),
    (
        305,
        "Routers that use the service answer 503.",
        "Keep `server.url` alone, or `server.port` and `server.scheme` without it.",
    ),
    (306, "Routers that use the service answer 503.", "A number from 1 to 65535."),
    (
        307,
        "One of the container's own networks is used.",
        "Name one that is attached; with Compose the project's name stands before it.",
    ),
    (308, "The address on the network that is named is used.", "`traefik.docker.network=<network>`."),
    (309, "Routers that use it answer 503.", "Give the service a `loadBalancer`, or another kind."),
    (310, "That server gets no requests; with labels the service is off.", "A URL such as `http://10.0.0.7:8080`."),
    (
        311,
        "The server stays out until its port accepts; it is asked again and again.",
        "Look at the container's log; name the port on which it listens with `server.port`.",
    ),
    (312, "Routers that use it answer 503.", "One kind for each service."),
    (313, "Routers that use it answer 503.", "Take it out of the services that it leads to."),
    (314, "Routers that use it answer 503.", "Mend the service that is named, or add its provider: `app@docker`."),
    (
        315,
        "Routers that use the service answer 503.",
        "Declare it in a file, and name it with its provider: `inside@file`.",
    ),
    (
        316,
        "Services that use it are off, or the servers that ask for TLS are.",
        "Mend the option; see that the files can be read by Seaway's user.",
    ),
    (401, "Every router that uses it answers 503.", "Mend the option that is named."),
    (
        402,
        "Every router that uses it answers 503.",
        "One type for each middleware; a `chain` puts several under one name.",
    ),
    (403, "Every router that uses one of them answers 503.", "Take one of the chains out of the other."),
    (
        501,
        "The first keeps the name; the newcomer's object is off, and so are its routers that meant its own.",
        "Choose another name in one of the two projects.",
    ),
    (
        502,
        "The newest valid definition is used, and the service keeps the servers of both.",
        "Nothing after a redeploy; otherwise give all replicas the same labels.",
    ),
    (
        503,
        "The container's server gets no requests through the definition in force.",
        "Mend the labels of that container; its other faults are listed.",
    ),
    (504, "Neither is used: the requests of both get 503.", "Give one of them another name, or remove it."),
    (
        601,
        "What is known goes on being served; it is tried until it works.",
        "Check that the socket is mounted and that Seaway's user may use it, or `--providers.docker.endpoint`.",
    ),
    (602, "No container is taken.", "Mend `--providers.docker.constraints`."),
    (603, "The container is left as it was, and asked about again.", "Look at the engine's own log."),
    (
        604,
        "What it said before stays in force; a file that never could be read gives nothing.",
        "Mend the line that is named.",
    ),
    (605, "What it said before stays in force.", "Mend the template in that line."),
    (
        606,
        "What it said before stays in force; it is asked again.",
        "Check `--providers.http.endpoint` and what answers there.",
    ),
    (701, "Seaway does not start.", "Take the name that the message suggests; `seaway help` lists all."),
    (702, "Seaway does not start.", "Give a value of the form that the message names."),
    (703, "Seaway does not start.", "`:80`, `127.0.0.1:8080` or `[::1]:80`, each taken once."),
    (704, "Seaway does not start.", "Mend the line that is named; the file's name ends in `.yml`, `.yaml` or `.toml`."),
    (801, "What can be read of it is checked; the rest is not.", "Mend the line that is named."),
    (802, "Nothing stands in its place, as in Compose.", "Set it, put it into `.env`, or write `${NAME:-value}`."),
    (
        803,
        "No container has these labels: the engine keeps them with the Swarm service.",
        "Write them below `labels` of the service.",
    ),
    (804, "The router never gets a request.", "Make its rule narrower, or give it a higher `priority`."),
    (
        805,
        "Requests for that host go to the router for all hosts.",
        "Give the router for the host a `priority`, or the other one a low one.",
    ),
    (
        806,
        "Browsers refuse the cookie, so that clients are not sticky.",
        "`…sticky.cookie.secure=true`, or another `samesite`.",
    ),
    (807, "Compose cannot start more than one.", "Remove `container_name`."),
    (
        808,
        "Compose cannot start more than one on one machine.",
        "Remove `ports`: Seaway reaches containers by their network.",
    ),
    (809, "Nothing; it begins to matter with a second server.", "Nothing, or leave it out."),
    (
        810,
        "What it concerns is not checked.",
        "Check where it can be seen: `--docker`, or on the machine that runs it.",
    ),
];

pub(super) fn page() -> String {
    let mut page = String::from(
        "# Diagnostics\n\n<!-- Made by tests/docs.rs; changes belong there. -->\n\n\
         Every fault in labels, files and options has a code, a place (container or file, and the full key), what is wrong, what\n\
         happens now, and where possible the line that mends it. They are in the log, in the API below `/api/seaway/diagnostics`\n\
         and with the router, service or middleware that they are about, and counted in the metric `seaway_diagnostics`.\n\
         A code never changes its meaning.\n\n\
         The smallest object fails, and it fails closed: a router with a fault keeps its place and answers 503, so that none of\n\
         lower priority sees its requests, and no router is ever served without a middleware that it asks for.\n",
    );
    let mut group = "";
    for (code, meaning) in codes() {
        let here = match code / 100 {
            1 => "Labels",
            2 => "Routers",
            3 => "Services and servers",
            4 => "Middlewares",
            5 => "Conflicts",
            6 => "Providers",
            7 => "Static options",
            8 => "What only `seaway check` finds",
            _ => "Others",
        };
        if group != here {
            _ = writeln!(
                page,
                "\n## {here}\n\n| Code | What it means | What happens | What helps |\n|---|---|---|---|"
            );
            group = here;
        }
        let (_, consequence, cure) = CURES.iter().find(|(of, ..)| *of == code).unwrap_or(&(0, "", ""));
        _ = writeln!(page, "| SW{code:04} | {} | {} | {} |", cell(&meaning), cell_of(consequence), cell_of(cure));
    }
    page
}

pub(super) fn every_code_is_explained() {
    let codes: Vec<u16> = codes().into_iter().map(|(code, _)| code).collect();
    let cures: Vec<u16> = CURES.iter().map(|(code, ..)| *code).collect();
    assert_eq!(cures, codes, "tests/docs/codes.rs says of every code, once and in order, what happens and what helps");
    assert!(codes.len() > 50, "{} codes", codes.len());
}

/// Every code with the line that documents it.
fn codes() -> Vec<(u16, String)> {
    let source = std::fs::read_to_string(super::root().join("crates/config/src/diagnostic.rs")).unwrap();
    let text = &source[source.find("pub enum Code {").expect("the codes")..];
    let text = &text[..text.find("\n}").expect("their end")];
    let (mut found, mut meaning) = (Vec::new(), String::new());
    for line in text.lines().map(str::trim) {
        if let Some(doc) = line.strip_prefix("///") {
            meaning = format!("{meaning}{doc}").trim().to_owned();
        } else if let Some((_, number)) = line.split_once(" = ") {
            let number = number.trim_end_matches(',').parse().expect("a number");
            found.push((number, std::mem::take(&mut meaning)));
        }
    }
    found.sort();
    found
}

/// Cures have code in them, which stays as it is.
fn cell_of(text: &str) -> String {
    text.replace('|', "\\|")
}
