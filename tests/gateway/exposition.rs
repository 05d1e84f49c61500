//! A strict reader of Prometheus' text format, version 0.0.4: what it takes, every scraper does, and promtool's check too.

use std::collections::{BTreeMap, HashMap};

/// One sample: its labels, sorted, and its value.
type Sample = (BTreeMap<String, String>, f64);

/// A family of samples.
#[derive(Debug, Default)]
struct Family {
    kind: String,
    help: String,
    samples: Vec<(String, Sample)>,
}

/// A page that has been read.
#[derive(Debug)]
pub(crate) struct Exposition {
    families: HashMap<String, Family>,
}

impl Exposition {
    /// Reads a page; anything out of order is a failure.
    pub(crate) fn read(page: &str) -> Self {
        assert!(page.ends_with('\n') && !page.contains("\n\n") && !page.contains('\r'), "lines end with a line feed, and none is empty");
        let mut families: HashMap<String, Family> = HashMap::new();
        let mut current = String::new();
        let mut help: Option<(String, String)> = None;
        for line in page.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, text) = rest.split_once(' ').unwrap();
                assert!(is_name(name, true) && !text.is_empty() && !families.contains_key(name), "{line}");
                help = Some((name.to_owned(), text.to_owned()));
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                let (of, help) = help.take().unwrap_or_else(|| panic!("no HELP before: {line}"));
                assert!(of == name && ["counter", "gauge", "histogram"].contains(&kind), "{line}");
                current = name.to_owned();
                families.insert(current.clone(), Family { kind: kind.to_owned(), help, samples: Vec::new() });
            } else {
                assert!(help.is_none() && !line.starts_with('#'), "{line}");
                let (name, sample) = sample(line);
                let family = families.get_mut(&current).unwrap_or_else(|| panic!("before any TYPE: {line}"));
                let of = if family.kind == "histogram" {
                    ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(&name)
                } else {
                    &name
                };
                assert_eq!(of, current, "samples of a family stand together: {line}");
                let is_new = family.samples.iter().all(|(other, (labels, _))| (other, labels) != (&name, &sample.0));
                assert!(is_new, "twice: {line}");
                family.samples.push((name, sample));
            }
        }
        assert!(help.is_none());
        let read = Self { families };
        read.families.iter().for_each(|(name, family)| family.check(name));
        read
    }

    /// The value of a sample; 0 where it is not there.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let wanted: BTreeMap<String, String> = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let found = self.samples(name).find(|(_, (labels, _))| *labels == wanted);
        found.map_or(0.0, |(_, (_, value))| *value)
    }

    /// The sum of all samples of a name.
    pub(crate) fn sum(&self, name: &str) -> f64 {
        self.samples(name).map(|(_, (_, value))| value).sum()
    }

    /// How many samples of a name there are.
    pub(crate) fn count(&self, name: &str) -> usize {
        self.samples(name).count()
    }

    /// Whether a family is told of.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.families.contains_key(name)
    }

    fn samples(&self, name: &str) -> impl Iterator<Item = &(String, Sample)> {
        let name = name.to_owned();
        self.families.values().flat_map(|family| &family.samples).filter(move |(other, _)| *other == name)
    }
}

impl Family {
    fn check(&self, name: &str) {
        assert!(!self.help.is_empty());
        assert_eq!(name.ends_with("_total"), self.kind == "counter", "{name} is a {}", self.kind);
        if self.kind == "counter" {
            assert!(self.samples.iter().all(|(_, (_, value))| *value >= 0.0), "{name} is negative");
        }
        if self.kind == "histogram" {
            let groups: Vec<&BTreeMap<String, String>> =
                self.samples.iter().filter(|(sample, _)| sample.ends_with("_count")).map(|(_, (labels, _))| labels).collect();
            for labels in groups {
                self.check_histogram(name, labels);
            }
        }
    }

    fn check_histogram(&self, name: &str, labels: &BTreeMap<String, String>) {
        let value = |suffix: &str| {
            let full = format!("{name}{suffix}");
            self.samples.iter().find(|(sample, (other, _))| *sample == full && other == labels).map(|(_, (_, value))| *value)
        };
        let buckets: Vec<(f64, f64)> = self
            .samples
            .iter()
            .filter(|(sample, _)| sample.ends_with("_bucket"))
            .filter_map(|(_, (all, value))| {
                let mut rest = all.clone();
                let bound = rest.remove("le").expect("a bucket has a bound");
                (rest == *labels).then(|| (if bound == "+Inf" { f64::INFINITY } else { bound.parse().unwrap() }, *value))
            })
            .collect();
        assert!(buckets.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1), "{name}{labels:?}: {buckets:?}");
        let last = buckets.last().unwrap();
        assert!(last.0.is_infinite() && Some(last.1) == value("_count") && value("_sum").is_some(), "{name}{labels:?}");
    }
}

fn is_name(name: &str, colons: bool) -> bool {
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_' || colons && c == ':';
    name.starts_with(is_letter) && name.chars().all(|c| is_letter(c) || c.is_ascii_digit())
}

fn sample(line: &str) -> (String, Sample) {
    let end = line.find(['{', ' ']).unwrap_or_else(|| panic!("no value: {line}"));
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name, true), "{line}");
    let mut labels = BTreeMap::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (label, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
            assert!(is_name(label, false) && !label.starts_with("__"), "{line}");
            let (value, after) = quoted(after, line);
            assert!(labels.insert(label.to_owned(), value).is_none(), "a label twice: {line}");
            match after.strip_prefix(',') {
                Some(next) => rest = next,
                None => {
                    rest = after.strip_prefix('}').unwrap_or_else(|| panic!("{line}"));
                    break;
                }
            }
        }
    }
    let value = rest.strip_prefix(' ').unwrap_or_else(|| panic!("{line}"));
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    assert!(is_number, "{line}");
    (name.to_owned(), (labels, value.parse().unwrap()))
}

/// The text up to the closing quote, and what follows it.
fn quoted<'a>(text: &'a str, line: &str) -> (String, &'a str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, c @ ('\\' | '"'))) => value.push(c),
                _ => panic!("a strange escape: {line}"),
            },
            c => value.push(c),
        }
    }
    panic!("no end: {line}");
}

#[test]
fn what_is_out_of_order_is_not_read() {
    let good = "# HELP a_total A.\n# TYPE a_total counter\na_total{x=\"1\\\"\\\\\\n\"} 3\n";
    assert_eq!(Exposition::read(good).value("a_total", &[("x", "1\"\\\n")]), 3.0);
    for bad in [
        "a_total 1\n",
        "# TYPE a_total counter\na_total 1\n",
        "# HELP a_total A.\n# TYPE a_total counter\na_total 1",
        "# HELP a A.\n# TYPE a counter\na 1\n",
        "# HELP a_total A.\n# TYPE a_total counter\na_total{x=\"1\"} 1\na_total{x=\"1\"} 2\n",
        "# HELP a_total A.\n# TYPE a_total counter\nb_total 1\n",
        "# HELP a_total A.\n# TYPE a_total counter\na_total{x=\"\\q\"} 1\n",
        "# HELP a_total A.\n# TYPE a_total counter\na_total{x=1} 1\n",
        "# HELP a_total A.\n# TYPE a_total counter\na_total -1\n",
        "# HELP h H.\n# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n",
        "# HELP h H.\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n",
        "# HELP h H.\n# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 2\n",
        "# HELP h H.\n# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_count 1\n",
    ] {
        let is_read = std::panic::catch_unwind(|| Exposition::read(bad)).is_ok();
        assert!(!is_read, "{bad}");
    }
}
