//! As much of TOML as tells how a server is registered: the texts and lists of texts in one table.

use std::collections::BTreeMap;

/// What a table holds, by key: a text is a list of one. What is neither a text nor a list of texts is left out.
pub type Table = BTreeMap<String, Vec<String>>;

/// The table of this name; nothing where the file has none.
pub fn table(text: &str, name: &[&str]) -> Option<Table> {
    let (mut found, mut is_inside, mut long) = (None, false, None);
    let mut next = 0;
    for line in text.split_inclusive('\n') {
        let start = next;
        next += line.len();
        if let Some(quotes) = long {
            long = Some(quotes).filter(|quotes| !line.contains(*quotes));
            continue;
        }
        long = ["\"\"\"", "'''"].into_iter().find(|quotes| line.matches(quotes).count() % 2 == 1);
        if let Some(header) = header(line) {
            is_inside = header == name;
            found = found.or_else(|| is_inside.then(Table::new));
        } else if let (true, Some(table), Some((key, _))) = (is_inside, &mut found, line.split_once('=')) {
            let mut rest = &text[start + key.len() + 1..];
            if let Some(value) = value(&mut rest) {
                table.insert(unquoted(key).to_owned(), value);
            }
        }
    }
    found
}

/// The names in a line such as `[servers."kai"]`.
fn header(line: &str) -> Option<Vec<&str>> {
    let inner = line.trim().strip_prefix('[')?.split(']').next()?;
    Some(inner.split('.').map(unquoted).collect())
}

fn unquoted(name: &str) -> &str {
    name.trim().trim_matches(['"', '\''])
}

/// A text or a list of texts from the beginning of `rest`, which is left behind it.
fn value(rest: &mut &str) -> Option<Vec<String>> {
    skip(rest);
    let Some(mut inner) = rest.strip_prefix('[') else { return Some(vec![string(rest)?]) };
    let mut list = Vec::new();
    loop {
        skip(&mut inner);
        if inner.starts_with(']') {
            return Some(list);
        }
        list.push(string(&mut inner)?);
        skip(&mut inner);
        inner = inner.strip_prefix(',').unwrap_or(inner);
    }
}

fn string(rest: &mut &str) -> Option<String> {
    let quote = rest.chars().next().filter(|first| matches!(first, '"' | '\''))?;
    let mut is_escaped = false;
    let end = rest[1..].find(|c| {
        let ends = c == quote && !is_escaped;
        is_escaped = c == '\\' && !is_escaped && quote == '"';
        ends
    })?;
    let (whole, after) = rest.split_at(end + 2);
    *rest = after;
    // What its escapes mean is what they mean in JSON.
    if quote == '"' { serde_json::from_str(whole).ok() } else { Some(whole[1..=end].to_owned()) }
}

/// Leaves out spaces, line breaks and comments.
fn skip(rest: &mut &str) {
    *rest = rest.trim_start();
    while let Some(comment) = rest.strip_prefix('#') {
        *rest = comment.split_once('\n').map_or("", |(_, after)| after).trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &[&str] = &["mcp_servers", "loopsy"];

    fn found(text: &str) -> Option<(String, String)> {
        let table = table(text, NAME)?;
        let joined = |key: &str| table.get(key).map(|list| list.join("|")).unwrap_or_default();
        Some((joined("command"), joined("args")))
    }

    #[test]
    fn the_table_is_found_however_it_is_written() {
        let wanted = Some(("/bin/loopsy".to_owned(), "mcp-serve|--data-dir|/a b".to_owned()));
        for text in [
            "model = \"x\"\n\n[mcp_servers.loopsy]\ncommand = \"/bin/loopsy\"\nargs = [\"mcp-serve\", \"--data-dir\", \"/a b\"]\n",
            "[mcp_servers.\"loopsy\"] # ours\ncommand = '/bin/loopsy' # here\nargs = [ # all\n  \"mcp-serve\",\n  \"--data-dir\", '/a b',\n]\n[other]\ncommand = \"x\"",
            "[a]\nx = \"\"\"\n[mcp_servers.loopsy]\ncommand = \"no\"\n\"\"\"\n[mcp_servers.loopsy]\r\nargs=[\"mcp-serve\",\"--data-dir\",\"/a\\u0020b\"]\r\ncommand=\"/bin/loopsy\"\r\n[mcp_servers.loopsy.env]\ncommand = \"y\"\n",
        ] {
            assert_eq!(found(text), wanted, "{text}");
        }
    }
    #[test]
    fn what_is_not_there_or_not_sound_is_not_found() {
        for text in ["", "[mcp_servers]\nloopsy = 3", "[mcp_servers.loopsy2]\ncommand = \"x\"", "[", "[]", "=", "é = [\n"] {
            assert_eq!(found(text), None, "{text}");
        }
        for text in ["command = \"open", "command = 7", "command = [\"a\", 7]", "command = [\"a\"", "args = [[[", "= \"x\"", "command"] {
            assert_eq!(found(&format!("[mcp_servers.loopsy]\n{text}")), Some(Default::default()), "{text}");
        }
        assert_eq!(found(&("[mcp_servers.loopsy]\nargs = ".to_owned() + &"[".repeat(1_000_000))), Some(Default::default()));
    }
}
