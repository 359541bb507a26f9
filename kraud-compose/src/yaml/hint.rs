//! What is likely meant where the YAML breaks off.

/// Says what is likely meant, for the mistakes that people make.
pub(super) fn hint(text: &str, at: usize) -> Option<String> {
    let start = text.get(..at)?.rfind('\n').map_or(0, |n| n + 1);
    let line = text.get(start..)?.lines().next()?;
    let indent = line.len() - line.trim_start().len();
    if line.get(..indent)?.contains('\t') {
        return Some("YAML is indented with spaces, never with tabs".into());
    }
    let until = text.get(start..at)?;
    if until.contains("${") && until.contains(['{', '[']) && !line.trim_start().starts_with('$') {
        let flow = until.matches('{').count() > until.matches("${").count() || until.contains('[');
        if flow {
            return Some(
                "inside of `{…}` and `[…]` a value with a variable needs quotes around it".into(),
            );
        }
    }
    let before = text.get(..start)?.trim_end();
    let above = before.lines().next_back()?;
    let above_indent = above.len() - above.trim_start().len();
    let item = line.trim_start();
    let above = above.trim();
    if indent > above_indent && !above.ends_with(':') && above.contains(": ") {
        let key = above.split(": ").next().unwrap_or_default();
        let item_key = item.trim_start_matches("- ").split(':').next();
        if matches!(
            item_key,
            Some("subnet" | "gateway" | "ip_range" | "aux_addresses")
        ) && item.starts_with("- ")
        {
            return Some(format!(
                "`{key}` already has a value, so the deeper line goes on with it; \
                 a subnet stands under `ipam:` and `config:`, each on a line of its own"
            ));
        }
        return Some(format!(
            "`{key}` already has a value, so the deeper line goes on with it; \
             indent both lines alike, or put the missing key between them"
        ));
    }
    None
}
