//! Made-up histories whose best architecture is known.

/// A space of 3 x 9 x 4 architectures.
pub(crate) const SPACE: &str = r#"{"type":"space","id":"toy/1","params":[{"name":"op","range":{"kind":"choice","options":["conv","pool","skip"]}},{"name":"depth","range":{"kind":"int","lo":1,"hi":9}},{"name":"width","range":{"kind":"levels","values":[16,32,64,128]}}]}"#;

/// A task line.
pub(crate) fn task(id: &str) -> String {
    format!(r#"{{"type":"task","id":"{id}","domain":"image","metric":"accuracy","goal":"maximize"}}"#)
}

/// A validation trial line; `score` decides which architectures are good.
pub(crate) fn trial(task: &str, op: &str, depth: u32, width: u32, score: f64) -> String {
    format!(
        r#"{{"type":"trial","task":"{task}","space":"toy/1","architecture":{{"op":"{op}","depth":{depth},"width":{width}}},"split":"validation","metric":"accuracy","score":{score},"costs":{{"params":{}}}}}"#,
        depth * width * 10
    )
}

/// A history like [`history`], with learning curves of nine epochs that rise to each score.
pub(crate) fn history_with_curves(past: &[&str], new: &str) -> String {
    let with_curve = |line: &str| {
        let mut trial: serde_json::Value = serde_json::from_str(line).unwrap();
        if let Some(end) = trial["score"].as_f64() {
            trial["curve"] = (1..=9).map(|epoch| [f64::from(epoch), rising(end, epoch)]).collect();
            trial["fidelity"] = serde_json::json!({"epochs": 9});
        }
        trial.to_string() + "\n"
    };
    history(past, new).lines().map(with_curve).collect()
}

/// The score after so many of nine epochs of what ends at `end`.
pub(crate) fn rising(end: f64, epoch: u32) -> f64 {
    end * (1.0 - 0.6 * (1.0 / f64::from(epoch) - 1.0 / 9.0))
}

/// What all tasks have in common: convolutions, deep but not too deep, wide. The best is conv, 7, 128.
pub(crate) fn quality(op: &str, depth: u32, width: u32) -> f64 {
    let op = match op {
        "conv" => 0.3,
        "pool" => 0.1,
        _ => 0.0,
    };
    0.3 + op + 0.02 * f64::from(depth) - if depth > 7 { 0.1 } else { 0.0 } + 0.001 * f64::from(width)
}

/// Past tasks with every architecture measured, each a little different, and a new task without trials.
pub(crate) fn history(past: &[&str], new: &str) -> String {
    let mut lines = vec![SPACE.to_owned(), task(new)];
    for (index, id) in past.iter().enumerate() {
        lines.push(task(id));
        for (op, depth, width) in architectures() {
            // A fixed disturbance, another one for each task.
            let noise = f64::from((depth * 7 + width * 3 + index as u32 * 5) % 11) / 500.0;
            lines.push(trial(id, op, depth, width, quality(op, depth, width) + noise));
        }
    }
    lines.join("\n") + "\n"
}

/// All architectures of the space.
pub(crate) fn architectures() -> impl Iterator<Item = (&'static str, u32, u32)> {
    let widths = [16, 32, 64, 128];
    let of_op = move |op| (1..=9).flat_map(move |depth| widths.map(move |width| (op, depth, width)));
    ["conv", "pool", "skip"].into_iter().flat_map(of_op)
}
