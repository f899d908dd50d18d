//! Every posting explained: what is computed again is what was posted, to the last digit.

use insta::assert_json_snapshot;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::ledger::{all, settled};
use crate::statements::{decimal, scattered_world};
use crate::support::Api;

async fn explained(api: &Api, posting: &Value) -> Value {
    let answer = api.get(&format!("/pagos/comisiones/{posting}/explicacion")).await;
    assert_eq!(answer.status, 200, "{posting}");
    answer.json()
}

async fn assert_explained(api: &Api) {
    let postings = all(api, "/pagos/comisiones?", "comisiones", 1000).await;
    assert!(postings.len() > 10);
    for posting in &postings {
        let it = explained(api, &posting["id"]).await;
        let sum: Decimal =
            it["calculo"]["pasos"].as_array().unwrap().iter().map(|step| decimal(&step["importe"])).sum();
        assert_eq!(it["calculo"]["coincide"], true, "{it:#}");
        assert_eq!(sum.normalize(), decimal(&it["calculo"]["exacto"]), "{it:#}");
        assert_eq!((&it["asiento"], &it["calculo"]["monto"]), (posting, &posting["monto"]), "{it:#}");
        // The chain of a commission's postings leads to what it is worth now.
        let (mut first, mut worth) = (it.clone(), Decimal::ZERO);
        while let Some(earlier) = first["anterior"]["enlace"].as_str() {
            first = api.get(earlier).await.json();
        }
        worth += decimal(&first["asiento"]["monto"]);
        worth += first["posteriores"].as_array().unwrap().iter().map(|it| decimal(&it["monto"])).sum::<Decimal>();
        assert_eq!(worth.normalize(), decimal(&it["vale_ahora"]["neta"]), "{it:#}");
    }
}

#[tokio::test]
async fn what_is_computed_again_is_what_was_posted() {
    assert_explained(&settled().await).await;
    assert_explained(&scattered_world().await.0).await;
}

#[tokio::test]
async fn postings_are_explained_in_words() {
    let api = settled().await;
    let mut texts = Vec::new();
    for posting in all(&api, "/pagos/comisiones?", "comisiones", 1000).await.iter().rev() {
        texts.push(json!({posting["id"].to_string(): explained(&api, &posting["id"]).await["texto"]}));
    }
    assert_json_snapshot!("explained_in_words", texts);
    assert_json_snapshot!("explanation_conversion", explained(&api, &1.into()).await);
    assert_json_snapshot!("explanation_tiers", explained(&api, &6.into()).await);
    assert_json_snapshot!("explanation_reversal", explained(&api, &16.into()).await);
    for unknown in ["0", "18", "-1", "9223372036854775807", "x", "1.5"] {
        assert_eq!(api.get(&format!("/pagos/comisiones/{unknown}/explicacion")).await.status, 404, "{unknown}");
    }
}

#[tokio::test]
async fn a_conversion_that_was_erased_is_explained_without_it() {
    let api = settled().await;
    api.sql("DELETE FROM conversions").await;
    let it = explained(&api, &1.into()).await;
    assert_eq!((&it["conversion"], &it["calculo"]["coincide"]), (&Value::Null, &true.into()));
}
