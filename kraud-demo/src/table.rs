//! Tables in the two shapes that users of docker and of `kra` know.

/// Cells in rows below a header.
#[derive(Clone, Debug)]
pub struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table.
    #[must_use]
    pub fn new<'a>(header: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            header: header.into_iter().map(str::to_owned).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; an absent value is shown as `-`, so that no column shifts.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let shown = |cell: String| {
            if cell.is_empty() {
                "-".to_owned()
            } else {
                cell
            }
        };
        self.rows.push(cells.into_iter().map(shown).collect());
    }

    /// Adds a row as it is, whose cells are separated by tabs.
    pub fn tabbed(&mut self, row: &str) {
        self.rows.push(row.split('\t').map(str::to_owned).collect());
    }

    /// The shape of docker's lists: Go's tabwriter with a minimum width of 10 and a padding of 3, where the last
    /// column is not padded (docker/cli `cli/command/formatter/formatter.go`).
    #[must_use]
    pub fn docker(&self) -> String {
        let widths = self.widths(|longest| (longest + 3).max(10));
        let mut text = String::new();
        for row in std::iter::once(&self.header).chain(&self.rows) {
            line(&mut text, row, &widths);
        }
        text
    }

    /// The shape of `kra`'s lists: two blanks behind the longest cell of each column, also behind the header's last.
    #[must_use]
    pub fn kra(&self) -> String {
        let widths = self.widths(|longest| longest + 2);
        let mut text = String::new();
        for (cell, width) in self.header.iter().zip(&widths) {
            pad(&mut text, cell, *width);
        }
        text.push('\n');
        for row in &self.rows {
            line(&mut text, row, &widths);
        }
        text
    }

    fn widths(&self, padded: impl Fn(usize) -> usize) -> Vec<usize> {
        let longest = |column: usize| {
            let cells = std::iter::once(&self.header)
                .chain(&self.rows)
                .filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let rows = std::iter::once(&self.header).chain(&self.rows);
        (0..rows.map(Vec::len).max().unwrap_or(0))
            .map(|column| padded(longest(column)))
            .collect()
    }
}

/// Writes one row whose last cell is not padded.
fn line(text: &mut String, row: &[String], widths: &[usize]) {
    if let Some((last, cells)) = row.split_last() {
        for (cell, width) in cells.iter().zip(widths) {
            pad(text, cell, *width);
        }
        text.push_str(last);
    }
    text.push('\n');
}

fn pad(text: &mut String, cell: &str, width: usize) {
    text.push_str(cell);
    text.extend(std::iter::repeat_n(
        ' ',
        width.saturating_sub(cell.chars().count()),
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_table_still_has_its_header() {
        let table = Table::new(["NAME", "CREATED"]);
        assert_eq!(table.kra(), "NAME  CREATED  \n");
        assert_eq!(table.docker(), "NAME      CREATED\n");
    }

    #[test]
    fn an_absent_cell_is_a_dash() {
        let mut table = Table::new(["net4", "net6"]);
        table.row([String::new(), "fd00::/64".into()]);
        assert_eq!(table.kra(), "net4  net6       \n-     fd00::/64\n");
    }
}
