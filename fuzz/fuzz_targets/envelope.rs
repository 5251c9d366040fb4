#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| manage_pom_cases_and_delius::fuzzing::envelope(bytes));
