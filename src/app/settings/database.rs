//! The address of a database: as a URL, in the parts that secrets give apart, or both (a part then replaces what the URL
//! says). The settings are `DATABASE_URL`, `DATABASE_HOST`, `DATABASE_PORT`, `DATABASE_NAME`, `DATABASE_USER`,
//! `DATABASE_PASSWORD` and `DATABASE_POOL`; the same for Delius, for example `DELIUS_DATABASE_PORT`.

use clap::Args;
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgSslMode},
};

use super::{check::given, secret::Secret};
use crate::{app::Failure, database};

/// Makes the settings of one database. The derive macro needs the names in full.
macro_rules! database_address {
    ($(#[$doc:meta])* $name:ident, $env:literal, $flag:literal, $what:literal, $example:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Args)]
        pub(crate) struct $name {
            #[arg(id = concat!($flag, "-url"), long = concat!($flag, "-url"), env = concat!($env, "_URL"),
                hide_env_values = true, help = concat!($what, ", for example ", $example,
                "; or give its parts apart"))]
            url: Option<Secret>,
            #[arg(id = concat!($flag, "-host"), long = concat!($flag, "-host"), env = concat!($env, "_HOST"),
                help = concat!($what, ": host, instead of the URL or of the one in it"))]
            host: Option<String>,
            #[arg(id = concat!($flag, "-port"), long = concat!($flag, "-port"), env = concat!($env, "_PORT"),
                help = concat!($what, ": port; 5432 when neither this nor the URL says"))]
            port: Option<u16>,
            #[arg(id = concat!($flag, "-name"), long = concat!($flag, "-name"), env = concat!($env, "_NAME"),
                help = concat!($what, ": name of the database"))]
            name: Option<String>,
            #[arg(id = concat!($flag, "-user"), long = concat!($flag, "-user"), env = concat!($env, "_USER"),
                help = concat!($what, ": user"))]
            user: Option<String>,
            #[arg(id = concat!($flag, "-password"), long = concat!($flag, "-password"),
                env = concat!($env, "_PASSWORD"), hide_env_values = true,
                help = concat!($what, ": password, as it is: no character needs an escape here"))]
            password: Option<Secret>,
            #[arg(id = concat!($flag, "-pool"), long = concat!($flag, "-pool"), env = concat!($env, "_POOL"),
                default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..),
                help = concat!($what, ": most connections of a pool of this process"))]
            pool: u32,
        }

        impl $name {
            /// The database, not connected to yet.
            pub(crate) fn database(&self) -> Result<Database, Failure> {
                Database::of(&Address {
                    setting: concat!($env, "_URL"),
                    url: self.url.as_ref().map(Secret::reveal),
                    host: self.host.as_deref(),
                    port: self.port,
                    name: self.name.as_deref(),
                    user: self.user.as_deref(),
                    password: self.password.as_ref().map(Secret::reveal),
                    pool: self.pool,
                })
            }

            /// The most connections of a pool.
            #[allow(dead_code, reason = "one of the two databases has two pools")]
            pub(crate) fn pool(&self) -> u32 {
                self.pool
            }
        }
    };
}

database_address!(
    /// The address of our store.
    StoreAddress, "DATABASE", "database", "Our store (PostgreSQL)", "postgres://user:password@host/pom_cases"
);
database_address!(
    /// The address of Delius.
    DeliusAddress, "DELIUS_DATABASE", "delius-database", "Delius (its schema on PostgreSQL)",
    "postgres://user:password@host/delius"
);

/// What was given of an address.
#[derive(Clone, Copy, Default)]
struct Address<'a> {
    setting: &'static str,
    url: Option<&'a str>,
    host: Option<&'a str>,
    port: Option<u16>,
    name: Option<&'a str>,
    user: Option<&'a str>,
    password: Option<&'a str>,
    pool: u32,
}

/// A database that is not connected to yet.
pub(crate) struct Database {
    setting: &'static str,
    options: PgConnectOptions,
    pool: u32,
}

impl Database {
    fn of(address: &Address<'_>) -> Result<Self, Failure> {
        let setting = address.setting;
        let mut options = match (given(address.url), given(address.host)) {
            (Some(url), _) => from_url(setting, url)?,
            (None, Some(_)) => PgConnectOptions::new_without_pgpass(),
            (None, None) => {
                let (flag, host) =
                    (setting.to_ascii_lowercase().replace('_', "-"), setting.replace("_URL", "_HOST"));
                let wrong = format!(
                    "not set; give it in the environment or as --{flag}, or give {host} and the other parts"
                );
                return Err(Failure::setting(setting, wrong));
            }
        };
        if let Some(host) = given(address.host) {
            options = options.host(host);
        }
        if let Some(port) = address.port {
            options = options.port(port);
        }
        if let Some(name) = given(address.name) {
            options = options.database(name);
        }
        if let Some(user) = given(address.user) {
            options = options.username(user);
        }
        // As it is: a password may begin with a blank.
        if let Some(password) = address.password.filter(|password| !password.is_empty()) {
            options = options.password(password);
        }
        Ok(Self { setting, options: options.application_name(env!("CARGO_PKG_NAME")), pool: address.pool })
    }

    /// With statements that have an end, as the service wants them. Reports and migrations may take longer.
    pub(crate) fn bounded(self) -> Self {
        Self { options: database::bounded(self.options), ..self }
    }

    /// With statements that find their rows by an index, see [`database::indexed`].
    pub(crate) fn indexed(self) -> Self {
        Self { options: database::indexed(self.options), ..self }
    }

    /// Connects; the error names the setting, not its value.
    pub(crate) async fn connect(self) -> Result<PgPool, Failure> {
        self.warn_when_unverified();
        let Self { setting, options, pool } = self;
        let (host, port, name) = (options.get_host(), options.get_port(), options.get_database());
        let at = format!("{host}:{port}/{}", name.unwrap_or(""));
        database::pool(pool).connect_with(options).await.map_err(|error| {
            let remedy = "check that it runs and accepts us";
            Failure::setting(setting, format!("cannot connect to {at}: {error}; {remedy}"))
        })
    }

    /// A pool that connects when it is first used: the database may be away now.
    pub(crate) fn connect_lazily(self) -> PgPool {
        self.warn_when_unverified();
        database::pool(self.pool).connect_lazy_with(self.options)
    }

    fn warn_when_unverified(&self) {
        if is_unverified(&self.options) {
            tracing::warn!(
                setting = self.setting,
                "the connection to the database is not verified: anybody on the way can read it; set \
                 PGSSLMODE=verify-full and PGSSLROOTCERT"
            );
        }
    }
}

fn from_url(setting: &'static str, url: &str) -> Result<PgConnectOptions, Failure> {
    // A password with one of / ? # @ that is not escaped moves the borders between the parts, and half of it would be
    // taken for a host or a database, which messages do name. The driver even logs parameters that it does not know.
    if is_ambiguous(url) {
        let password = setting.replace("_URL", "_PASSWORD");
        let wrong = format!(
            "not a URL that can be read safely: one of / ? # @ in the user or the password must be percent-encoded; \
             or give the password as {password}, where nothing needs an escape"
        );
        return Err(Failure::setting(setting, wrong));
    }
    // The driver takes the address of any other database for one of PostgreSQL.
    let is_postgres = url.starts_with("postgres://") || url.starts_with("postgresql://");
    url.parse::<PgConnectOptions>().ok().filter(|_| is_postgres).ok_or_else(|| {
        Failure::setting(
            setting,
            "not a PostgreSQL URL; expected postgres://user:password@host:port/database",
        )
    })
}

/// Whether an `@` stands where only an unescaped password can have brought it.
fn is_ambiguous(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    rest[authority.len()..].contains('@') || authority.matches('@').count() > 1
}

/// Whether the server's identity is checked. A server on this machine needs no check.
fn is_unverified(options: &PgConnectOptions) -> bool {
    let local = options.get_socket().is_some()
        || ["localhost", "127.0.0.1", "::1", "[::1]"].contains(&options.get_host())
        || options.get_host().starts_with('/');
    !local && !matches!(options.get_ssl_mode(), PgSslMode::VerifyFull)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    const URL: Address<'static> = Address {
        setting: "DATABASE_URL",
        url: None,
        host: None,
        port: None,
        name: None,
        user: None,
        password: None,
        pool: 3,
    };

    fn refusal(address: &Address<'_>) -> String {
        let Err(Failure::Setting(refusal)) = Database::of(address) else {
            return "accepted".to_owned();
        };
        refusal
    }

    #[test]
    fn the_parts_alone_are_an_address_and_replace_those_of_a_url() {
        let parts = Address { host: Some("db"), name: Some("pom"), user: Some("ops"), ..URL };
        let options = Database::of(&parts).unwrap().options;
        assert_eq!(
            (options.get_host(), options.get_port(), options.get_database(), options.get_username()),
            ("db", 5432, Some("pom"), "ops")
        );
        let both = Address { url: Some("postgres://a@b:1/c"), port: Some(2), name: Some(" "), ..parts };
        let options = Database::of(&both).unwrap().options;
        assert_eq!((options.get_host(), options.get_port(), options.get_database()), ("db", 2, Some("c")));
        assert!(refusal(&URL).contains("DATABASE_HOST"), "{}", refusal(&URL));
    }

    /// What is said of an address with this password, in the URL and apart, has nothing of it.
    fn shows_nothing_of(password: &str) {
        let url = format!("postgres://ops:{password}@db/pom");
        let refused = refusal(&Address { url: Some(&url), ..URL });
        assert!(!refused.contains("hid"), "{password}: {refused}");
        // Where it is taken, its parts are those that were meant: nothing of the password names a place.
        if refused == "accepted" {
            let options = Database::of(&Address { url: Some(&url), ..URL }).unwrap().options;
            assert_eq!((options.get_host(), options.get_database()), ("db", Some("pom")), "{password}");
        }
        let apart = Address { host: Some("db"), password: Some(password), ..URL };
        assert_eq!(refusal(&apart), "accepted", "{password}");
    }

    proptest! {
        #[test]
        fn whatever_is_around_it_a_password_shows_in_no_message(
            before in "[ -~\\t\\r\\n\u{e9}\u{20ac}]{0,6}", after in "[ -~\\t\\r\\n\u{e9}\u{20ac}]{0,6}",
        ) {
            shows_nothing_of(&format!("{before}hidden{after}"));
        }
    }

    #[test]
    fn whatever_characters_a_password_has_it_shows_in_no_message() {
        for password in [
            "12/hidden",
            "12#hidden",
            "12?hidden",
            "hid@den/x",
            "hidden@x",
            "%zzhidden",
            "hidden:1:2",
            "//hidden",
        ] {
            shows_nothing_of(password);
        }
    }

    #[test]
    fn settings_print_no_secret() {
        #[derive(clap::Parser, Debug)]
        struct Command {
            #[command(flatten)]
            store: StoreAddress,
        }
        let given = ["x", "--database-url", "postgres://a:hidden@b/c", "--database-password", "hidden"];
        let printed = format!("{:?}", <Command as clap::Parser>::try_parse_from(given).unwrap());
        assert!(printed.contains("(secret)") && !printed.contains("hidden"), "{printed}");
    }

    #[test]
    fn a_connection_over_the_network_is_verified_or_warned_of() {
        let unverified = |url: &str| is_unverified(&url.parse().unwrap());
        assert!(unverified("postgres://db/pom?sslmode=require"));
        assert!(
            unverified("postgres://db/pom?sslmode=verify-ca"),
            "another host of the authority can answer"
        );
        assert!(!unverified("postgres://db/pom?sslmode=verify-full"));
        assert!(!unverified("postgres://127.0.0.1/pom?sslmode=disable"));
        assert!(!unverified("postgres:///pom?host=/run/postgresql"));
    }
}
