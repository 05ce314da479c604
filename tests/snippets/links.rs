//! The documents' links lead somewhere.

use std::path::Path;

use crate::documents::{documents, headings, links, top};

#[test]
fn every_link_leads_to_a_file_and_to_a_heading_in_it() {
    let mut followed = 0;
    let mut astray = Vec::new();
    for document in documents() {
        for link in links(&document) {
            if !link.contains("://") {
                followed += 1;
                if !leads_somewhere(&document, &link) {
                    astray.push(format!("{document}: {link}"));
                }
            }
        }
    }
    assert!(followed > 10, "{followed}");
    assert!(astray.is_empty(), "\n{}\n", astray.join("\n"));
}

fn leads_somewhere(document: &str, link: &str) -> bool {
    let (path, heading) = link.split_once('#').unwrap_or((link, ""));
    let file = match path {
        "" => Path::new(document).to_owned(),
        path => Path::new(document).with_file_name("").join(path),
    };
    let file = file.to_str().expect("a text");
    top().join(file).exists()
        && (heading.is_empty() || headings(file).iter().any(|known| anchor(known) == heading))
}

/// A heading as a link has it.
fn anchor(heading: &str) -> String {
    let kept = |character: &char| character.is_alphanumeric() || " -_".contains(*character);
    let kept = heading.chars().filter(kept);
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}
