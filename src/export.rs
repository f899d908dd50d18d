//! The tables as files: CSV or NDJSON, in one order, made by PostgreSQL and passed on row by row.

mod tables;

use std::io::Write;

use futures::TryStreamExt;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};

pub use tables::Table;
use tables::{Column, Source};

use crate::output::Output;

/// Memory of PostgreSQL's for sorting; what needs more goes over its temporary files.
const SORT_MEMORY: &str = "128MB";

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// A header, then one line a row; fields with commas, quotes or line ends are quoted
    #[default]
    Csv,
    /// One JSON object a line
    Ndjson,
}

/// Why a table was not written to its end.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// It could not be read.
    #[error("database")]
    Database(#[from] sqlx::Error),
    /// It could not be written.
    #[error("output")]
    Output(#[from] std::io::Error),
}

/// Writes a table as it is at this moment.
pub async fn export(
    options: &PgConnectOptions,
    table: Table,
    format: Format,
    output: &mut Output,
) -> Result<(), ExportError> {
    let options = options.clone().application_name("alpes export").options([("work_mem", SORT_MEMORY)]);
    let mut connection = options.connect().await?;
    {
        let mut rows = connection.copy_out_raw(&statement(&table.source(), format)).await?;
        while let Some(row) = rows.try_next().await? {
            output.write_all(&row)?;
        }
    }
    connection.close().await?;
    Ok(())
}

fn statement(source: &Source, format: Format) -> String {
    match format {
        Format::Csv => format!("COPY ({}) TO STDOUT (FORMAT csv, HEADER)", select(source, csv_value)),
        // JSON has no raw control characters: with two of them as marks, CSV passes it on unquoted and unescaped.
        Format::Ndjson => format!(
            r"COPY (SELECT row_to_json(r)::text FROM ({}) r) TO STDOUT (FORMAT csv, DELIMITER E'\x02', QUOTE E'\x01')",
            select(source, json_value)
        ),
    }
}

fn select(source: &Source, value: fn(&Column) -> String) -> String {
    let column = |column: &Column| format!("{} AS \"{}\"", value(column), column.name());
    let columns: Vec<String> = source.columns.iter().map(column).collect();
    format!("SELECT {} FROM {} ORDER BY {}", columns.join(", "), source.rows, source.order)
}

/// Spreadsheets run what looks like a formula, even out of CSV: an apostrophe in front makes it a text.
fn csv_value(column: &Column) -> String {
    match column {
        Column::Text(_, sql) => format!(r"regexp_replace({sql}, '^(?=[-=+@\t\r])', '''')"),
        column => json_value(column),
    }
}

fn json_value(column: &Column) -> String {
    match column {
        Column::Text(_, sql) | Column::Exact(_, sql) => (*sql).to_owned(),
        Column::Amount(_, sql) => format!("trim_scale({sql})"),
        Column::Minute(_, sql) => format!(r#"to_char({sql} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')"#),
        Column::Instant(_, sql) => format!(r#"to_char({sql} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"#),
    }
}
