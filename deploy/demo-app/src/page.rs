//! The page and its small static resources. Each of them carries the name of the replica that sent it, so the browser shows at
//! a glance whether page, style and script came from one replica or from three.

use crate::Options;
use crate::reply::Reply;

const PAGE: &str = include_str!("../assets/page.html");
const STYLE: &str = include_str!("../assets/app.css");
const SCRIPT: &str = include_str!("../assets/app.js");

pub(crate) fn page(options: &Options) -> Reply {
    Reply::text("text/html; charset=utf-8", fill(PAGE, options))
}

pub(crate) fn style(options: &Options) -> Reply {
    Reply::text("text/css; charset=utf-8", fill(STYLE, options))
}

pub(crate) fn script(options: &Options) -> Reply {
    Reply::text("text/javascript; charset=utf-8", fill(SCRIPT, options))
}

fn fill(template: &str, options: &Options) -> String {
    template.replace("@HOST@", &harmless(&options.name)).replace("@API@", &options.api_path)
}

/// The name as text that means the same in HTML, CSS and script strings: whatever could end one of them is left out.
fn harmless(name: &str) -> String {
    name.chars()
        .filter(|character| character.is_alphanumeric() || matches!(character, '-' | '_' | '.' | ' ' | ':'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_place() {
        assert_eq!(harmless("web-1"), "web-1");
        assert_eq!(harmless("<b>\"';\\"), "b");
    }

    #[test]
    fn no_placeholder_is_left_over() {
        let options = Options { api_path: "/api/animals/".to_owned(), ..Options::new("web-1") };
        for template in [PAGE, STYLE, SCRIPT] {
            let filled = fill(template, &options);
            assert!(filled.contains("web-1") && !filled.contains('@'), "{filled}");
        }
        assert!(fill(PAGE, &options).contains("\"/api/animals/\""));
    }
}
