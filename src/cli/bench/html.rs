//! A run as one HTML file with its charts in it: it loads nothing, runs nothing, and opens without a network.

use std::fmt::Write as _;

use super::report::{Report, SideReport, Summary, TargetReport};
use crate::cli::config::xml;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 240.0;
/// Room for the labels.
const LEFT: f64 = 64.0;
const BOTTOM: f64 = 28.0;
/// Points of a line at most.
const POINTS_MAX: usize = 500;

const STYLE: &str = ":root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em}\
    pre{overflow-x:auto;background:#8881;padding:1em;font-size:13px}svg{width:100%;height:auto}text{font:12px system-ui,sans-serif;fill:currentColor}\
    .axis{stroke:currentColor;stroke-opacity:.3}.l0{stroke:#2a78d6;fill:none}.l1{stroke:#d9532c;fill:none}.b0{fill:#2a78d6}.b1{fill:#d9532c}path{stroke-width:2}";

/// The whole page.
pub(super) fn page(report: &Report) -> String {
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
        <title>aimux bench</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>aimux bench</h1>\n<p>aimux {}{}</p>\n",
        xml(&report.aimux),
        if report.optimised { "" } else { ", not optimised: times mean little" }
    );
    for target in &report.targets {
        of_target(&mut out, target);
    }
    if let Some(own) = &report.own {
        let bars: Vec<(String, f64)> =
            own.works.iter().filter_map(|row| Some((format!("{}, {}", row.work, row.path), row.ratio?))).collect();
        chart_of_bars(&mut out, "CPU of a request, in times of the bare pass-through's", &bars);
    }
    if let Some(soak) = &report.soak {
        let memory = soak.points.iter().map(|[at, rss, _]| (*at, *rss)).collect();
        lines(&mut out, "Resident memory, MiB over seconds", &[("aimux", memory)]);
        let fds = soak.points.iter().map(|[at, _, fds]| (*at, *fds)).collect();
        lines(&mut out, "Descriptors over seconds", &[("aimux", fds)]);
    }
    let _ = write!(out, "<h2>Figures</h2>\n<pre>{}</pre>\n</body>\n</html>\n", escaped(&report.text()));
    out
}

/// Text with its line feeds.
fn escaped(text: &str) -> String {
    text.lines().map(|line| xml(line) + "\n").collect()
}

fn of_target(out: &mut String, target: &TargetReport) {
    let _ = writeln!(out, "<h2>{}</h2>\n<p>{}</p>", xml(&target.target), xml(&target.load));
    for (title, summary) in [
        ("First content, ms by percentile", (|side| side.ttft.as_ref()) as fn(&SideReport) -> Option<&Summary>),
        ("Whole answer, ms by percentile", |side| side.total.as_ref()),
    ] {
        let curve = |summary: &Summary| {
            let ranks = [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 95.0, 99.0, 99.9];
            ranks.into_iter().zip(summary.curve.iter().copied()).collect::<Vec<_>>()
        };
        let series: Vec<(&str, Vec<(f64, f64)>)> =
            target.sides.iter().filter_map(|side| Some((side.via.as_str(), curve(summary(side)?)))).collect();
        lines(out, title, &series);
    }
    let blocks = |side: &SideReport| {
        let [_, ttft, _] = &side.blocks;
        ttft.iter().enumerate().map(|(at, value)| (at as f64, *value)).collect::<Vec<_>>()
    };
    let series: Vec<_> = target.sides.iter().map(|side| (side.via.as_str(), blocks(side))).collect();
    lines(out, "First content, ms by block", &series);
}

/// Lines over a common scale, which begins at zero.
fn lines(out: &mut String, title: &str, series: &[(&str, Vec<(f64, f64)>)]) {
    let all = || series.iter().flat_map(|(_, points)| points);
    let most = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
    let (x_max, y_max) = (most(&mut all().map(|(x, _)| *x)), most(&mut all().map(|(_, y)| *y)));
    if x_max <= 0.0 || y_max <= 0.0 {
        return;
    }
    let at = |(x, y): (f64, f64)| (LEFT + x / x_max * (WIDTH - LEFT - 8.0), HEIGHT - BOTTOM - y / y_max * (HEIGHT - BOTTOM - 24.0));
    begin(out, title, HEIGHT);
    for part in [0.0, 0.5, 1.0] {
        let ((left, y), (right, _)) = (at((0.0, y_max * part)), at((x_max, 0.0)));
        let _ = writeln!(out, "<line class=\"axis\" x1=\"{left:.1}\" y1=\"{y:.1}\" x2=\"{right:.1}\" y2=\"{y:.1}\"/>");
        let _ = writeln!(out, "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{:.3}</text>", LEFT - 6.0, y + 4.0, y_max * part);
        let (x, _) = at((x_max * part, 0.0));
        let _ = writeln!(out, "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{:.1}</text>", HEIGHT - 8.0, x_max * part);
    }
    for (number, (name, points)) in series.iter().enumerate() {
        let every = points.len().div_ceil(POINTS_MAX).max(1);
        let mut path = String::new();
        for (index, point) in points.iter().step_by(every).enumerate() {
            let (x, y) = at(*point);
            let _ = write!(path, "{}{x:.1} {y:.1}", if index == 0 { "M" } else { "L" });
        }
        let _ = writeln!(out, "<path class=\"l{}\" d=\"{path}\"/>", number % 2);
        let x = LEFT + 90.0 * number as f64;
        let _ = writeln!(out, "<rect class=\"b{}\" x=\"{x:.1}\" y=\"4\" width=\"12\" height=\"12\"/>", number % 2);
        let _ = writeln!(out, "<text x=\"{:.1}\" y=\"14\">{}</text>", x + 18.0, xml(name));
    }
    out.push_str("</svg>\n");
}

fn chart_of_bars(out: &mut String, title: &str, bars: &[(String, f64)]) {
    const ROW: f64 = 26.0;
    const NAMES: f64 = 220.0;
    let most = bars.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    if most <= 0.0 {
        return;
    }
    begin(out, title, ROW * bars.len() as f64 + 8.0);
    for (index, (name, value)) in bars.iter().enumerate() {
        let (y, width) = (ROW * index as f64 + 4.0, value / most * (WIDTH - NAMES - 60.0));
        let _ = writeln!(out, "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>", NAMES - 8.0, y + 15.0, xml(name));
        let _ = writeln!(out, "<rect class=\"b0\" x=\"{NAMES}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"20\"/>");
        let _ = writeln!(out, "<text x=\"{:.1}\" y=\"{:.1}\">{value:.2}</text>", NAMES + width + 6.0, y + 15.0);
    }
    out.push_str("</svg>\n");
}

fn begin(out: &mut String, title: &str, height: f64) {
    let title = xml(title);
    let _ = writeln!(out, "<h3>{title}</h3>\n<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{title}\">");
}
