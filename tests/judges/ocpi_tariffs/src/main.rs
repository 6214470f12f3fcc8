//! Prices JSON lines {"id", "version", "time_zone", "cdr", "tariff"} with ocpi-tariffs; amounts out, one line each.
//! Two requests in one process: "check" prints amounts, "time" prices everything again and prints CDRs a second.

use std::io::{BufRead, Write};
use std::time::Instant;

use ocpi_tariffs::{cdr, json, price, tariff, Version};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{json, Value};

#[derive(Deserialize)]
struct Case<'a> {
    id: u64,
    version: &'a str,
    time_zone: &'a str,
    #[serde(borrow)]
    cdr: &'a RawValue,
    #[serde(borrow)]
    tariff: &'a RawValue,
}

fn amount(price: Option<ocpi_tariffs::Price>) -> Value {
    match price {
        None => json!({"excl_vat": "0", "incl_vat": "0"}),
        Some(price) => json!({
            "excl_vat": Decimal::from(price.excl_vat).to_string(),
            "incl_vat": price.incl_vat.map(|money| Decimal::from(money).to_string()),
        }),
    }
}

fn report(case: &Case) -> Result<price::Report, String> {
    let version = if case.version == "2.1.1" { Version::V211 } else { Version::V221 };
    let doc = json::parse_object(case.cdr.get()).map_err(|error| format!("{error:?}"))?;
    let (cdr, _) = cdr::from_json(doc, version).into_parts();
    let doc = json::parse_object(case.tariff.get()).map_err(|error| format!("{error:?}"))?;
    let (tariff, _) = tariff::from_json(doc, version).into_parts();
    let zone: chrono_tz::Tz = case.time_zone.parse().map_err(|_| "time zone".to_string())?;
    let source = price::TariffSource::single(tariff);
    let (report, _) = cdr::price(&cdr, source, zone)
        .map_err(|set| set.into_parts().0.warning().to_string())?
        .into_parts();
    Ok(report)
}

fn answer(case: &Case) -> Value {
    match report(case) {
        Err(error) => json!({"id": case.id, "error": error}),
        Ok(report) => json!({
            "id": case.id,
            "total_cost": amount(report.total_cost.calculated),
            "total_energy_cost": amount(report.total_energy_cost.calculated),
            "total_fixed_cost": amount(report.total_fixed_cost.calculated),
            "total_time_cost": amount(report.total_charging_time_cost.calculated),
            "total_parking_cost": amount(report.total_idle_cost.calculated),
        }),
    }
}

fn main() {
    let lines: Vec<String> = std::io::stdin().lock().lines().map(|line| line.unwrap()).collect();
    if std::env::args().nth(1).as_deref() == Some("time") {
        let begin = Instant::now();
        let priced = lines.iter().filter(|line| report(&serde_json::from_str(line).unwrap()).is_ok()).count();
        println!("{}", json!({"priced": priced, "per_second": lines.len() as f64 / begin.elapsed().as_secs_f64()}));
        return;
    }
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for line in &lines {
        writeln!(out, "{}", answer(&serde_json::from_str(line).unwrap())).unwrap();
    }
}
