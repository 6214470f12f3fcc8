//! Prices JSON lines {"id", "version", "time_zone", "cdr", "tariff"} with ocpi-kit; amounts out, one line each.
//! Two requests in one process: "check" prints amounts, "time" prices everything again and prints CDRs a second.

use std::io::{BufRead, Write};
use std::time::Instant;

use ocpi_kit::convert::Upgrade;
use ocpi_kit::tariffs::{CostBreakdown, PricedSession, PricingEngine, PricingPolicy, TimeZone};
use ocpi_kit::v2_3_0::tariffs::TariffDimensionType;
use ocpi_kit::{v2_2_1, v2_3_0};
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

fn engine() -> PricingEngine {
    let mut policy = PricingPolicy::default();
    policy.component_decimals = 10;
    policy.currency_decimals = 8;
    PricingEngine::with_policy(policy)
}

fn breakdown(case: &Case, engine: &PricingEngine) -> Result<CostBreakdown, String> {
    let zone = TimeZone::named(case.time_zone).map_err(|error| error.to_string())?;
    let failed = |error: serde_json::Error| error.to_string();
    let (session, tariff) = if case.version == "2.3.0" {
        let cdr: v2_3_0::cdrs::Cdr = serde_json::from_str(case.cdr.get()).map_err(failed)?;
        let tariff: v2_3_0::tariffs::Tariff = serde_json::from_str(case.tariff.get()).map_err(failed)?;
        (PricedSession::from_cdr(&cdr, zone), tariff)
    } else {
        let cdr: v2_2_1::cdrs::Cdr = serde_json::from_str(case.cdr.get()).map_err(failed)?;
        let tariff: v2_2_1::tariffs::Tariff = serde_json::from_str(case.tariff.get()).map_err(failed)?;
        (PricedSession::from_cdr_v2_2_1(&cdr, zone), tariff.upgrade().value)
    };
    engine.price(&session, &[tariff]).map_err(|error| error.to_string())
}

fn part(breakdown: &CostBreakdown, dimension: TariffDimensionType) -> Value {
    match breakdown.dimension(dimension) {
        None => json!({"excl_vat": "0", "incl_vat": "0"}),
        Some(cost) => json!({
            "excl_vat": cost.cost.to_string(),
            "incl_vat": cost.cost_with_vat().to_string(),
        }),
    }
}

fn answer(case: &Case, engine: &PricingEngine) -> Value {
    match breakdown(case, engine) {
        Err(error) => json!({"id": case.id, "error": error}),
        Ok(found) => json!({
            "id": case.id,
            "total_cost": {
                "excl_vat": found.total_excl_vat.to_string(),
                "incl_vat": found.total_incl_vat.to_string(),
            },
            "total_energy_cost": part(&found, TariffDimensionType::Energy),
            "total_fixed_cost": part(&found, TariffDimensionType::Flat),
            "total_time_cost": part(&found, TariffDimensionType::Time),
            "total_parking_cost": part(&found, TariffDimensionType::ParkingTime),
            "notes": found.notes.iter().map(|note| note.code.to_string()).collect::<Vec<_>>(),
        }),
    }
}

fn main() {
    let lines: Vec<String> = std::io::stdin().lock().lines().map(|line| line.unwrap()).collect();
    let engine = engine();
    if std::env::args().nth(1).as_deref() == Some("time") {
        let begin = Instant::now();
        let priced = lines.iter().filter(|line| breakdown(&serde_json::from_str(line).unwrap(), &engine).is_ok()).count();
        println!("{}", json!({"priced": priced, "per_second": lines.len() as f64 / begin.elapsed().as_secs_f64()}));
        return;
    }
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for line in &lines {
        writeln!(out, "{}", answer(&serde_json::from_str(line).unwrap(), &engine)).unwrap();
    }
}
