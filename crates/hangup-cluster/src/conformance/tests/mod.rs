mod passing;
mod flaw;
mod flawed;
mod flawed_claims;
mod flawed_hints;
mod flawed_log;
mod failing;
