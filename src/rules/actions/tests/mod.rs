//! Tests of what rules do, at real requests with the embedded catalogue.
//!
//! `loading` and `values` are about mistakes and warnings, `denying` about codes and texts, `changing` and `people`
//! about every field that can be changed, `combining` about several rules, `masking` about messages, `laws` about
//! arbitrary requests.

mod changing;
mod combining;
mod denying;
mod laws;
mod loading;
mod masking;
mod people;
mod values;
