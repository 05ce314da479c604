//! The documents' links lead somewhere.

use std::path::Path;

use crate::documents::{documents, headings, links, top};

#[test]
fn every_link_leads_to_a_file_and_to_a_heading_in_it() {
    let mut followed = 0;
    for document in documents() {
        let folder = Path::new(&document).parent().expect("a folder");
        for link in links(&document) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (path, heading) = link.split_once('#').unwrap_or((&link, ""));
            let file = match path {
                "" => Path::new(&document).to_owned(),
                path => folder.join(path),
            };
            assert!(top().join(&file).exists(), "{document}: {link}");
            if !heading.is_empty() {
                let known = headings(file.to_str().expect("a text"));
                let found = known.iter().any(|known| anchor(known) == heading);
                assert!(found, "{document}: {link}: {known:?}");
            }
            followed += 1;
        }
    }
    assert!(followed > 10, "{followed}");
}

/// A heading as a link has it.
fn anchor(heading: &str) -> String {
    let kept = |character: &char| character.is_alphanumeric() || " -_".contains(*character);
    let kept = heading.chars().filter(kept);
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}
