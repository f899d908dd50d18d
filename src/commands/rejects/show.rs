//! `alpes rejects show`: all that is known of one.

use serde_json::{Value, json};
use sqlx::PgConnection;

use super::CommandError;
use super::stored::{Stored, by_ids};
use crate::console;

pub(super) async fn run(id: i64, json: bool, connection: &mut PgConnection) -> Result<(), CommandError> {
    let rejects = by_ids(connection, &[id]).await?;
    let reject = rejects.first().ok_or_else(|| format!("there is no reject {id}"))?;
    if json {
        console::line(with_body(reject));
    } else {
        print(reject);
    }
    Ok(())
}

/// The bytes as text, if they are text; the digits show them as they are.
fn with_body(reject: &Stored) -> Value {
    let mut value = reject.json();
    value["cuerpo"] = json!(str::from_utf8(&reject.payload).ok());
    value["cuerpo_hex"] = reject.payload.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into();
    value
}

fn print(reject: &Stored) {
    let value = reject.json();
    for key in [
        "id",
        "estado",
        "codigo",
        "comando",
        "timestamp",
        "created_at",
        "rechazado",
        "posicion",
        "intentos",
        "resuelto",
    ] {
        match &value[key] {
            Value::Null => {}
            Value::String(text) => console::line(format!("{key:<11} {}", console::printable(text))),
            other => console::line(format!("{key:<11} {other}")),
        }
    }
    for fault in value["errores"].as_array().into_iter().flatten() {
        let text = |key: &str| console::printable(fault[key].as_str().unwrap_or_default());
        console::line(format!("{:<11} {} {}: {}", "error", text("ruta"), text("codigo"), text("detalle")));
    }
    console::line(format!("\n{}", console::printable(&String::from_utf8_lossy(&reject.payload))));
}
