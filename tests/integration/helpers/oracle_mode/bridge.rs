//! The client of the bridge: one connection, one request at a time.

use chrono::{DateTime, NaiveDateTime, Utc};
use manage_pom_cases_and_delius::delius::engine::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufStream},
    net::TcpStream,
};

/// What H2 refused.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) state: String,
    pub(super) message: String,
}

/// Rows by the lower-case names of their columns.
pub(super) struct Answer {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<Value>>,
}

pub(super) struct Bridge {
    stream: BufStream<TcpStream>,
}

impl Bridge {
    /// A connection to a database in memory, which is made when nobody has it yet.
    pub(super) async fn connect(address: &str, database: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("the bridge of `make test-oracle-mode` runs");
        let mut this = Self { stream: BufStream::new(stream) };
        this.stream.write_u8(b'D').await.unwrap();
        this.put(database).await;
        this.done().await.unwrap();
        this
    }

    pub(super) async fn script(&mut self, sql: &str) -> Result<(), Refused> {
        self.stream.write_u8(b'E').await.unwrap();
        self.put(sql).await;
        self.done().await
    }

    pub(super) async fn begin(&mut self) -> Result<(), Refused> {
        self.simple(b'B').await
    }

    pub(super) async fn commit(&mut self) -> Result<(), Refused> {
        self.simple(b'C').await
    }

    pub(super) async fn rollback(&mut self) -> Result<(), Refused> {
        self.simple(b'K').await
    }

    pub(super) async fn now(&mut self) -> Result<DateTime<Utc>, Refused> {
        self.stream.write_u8(b'N').await.unwrap();
        self.answered(b'N').await?;
        Ok(DateTime::from_timestamp_millis(self.stream.read_i64().await.unwrap()).unwrap())
    }

    pub(super) async fn update(&mut self, sql: &str, values: &[Value]) -> Result<u64, Refused> {
        self.request(b'X', sql, values).await;
        self.answered(b'U').await?;
        Ok(self.stream.read_i64().await.unwrap().cast_unsigned())
    }

    pub(super) async fn query(&mut self, sql: &str, values: &[Value]) -> Result<Answer, Refused> {
        self.request(b'Q', sql, values).await;
        self.answered(b'R').await?;
        let (mut columns, mut types) = (vec![], vec![]);
        for _ in 0..self.stream.read_i32().await.unwrap() {
            columns.push(self.get().await.to_lowercase());
            types.push(self.stream.read_u8().await.unwrap());
        }
        let mut rows = vec![];
        for _ in 0..self.stream.read_i32().await.unwrap() {
            let mut row = vec![];
            for kind in &types {
                row.push(self.value(*kind).await);
            }
            rows.push(row);
        }
        Ok(Answer { columns, rows })
    }

    async fn value(&mut self, kind: u8) -> Value {
        let is_null = self.stream.read_u8().await.unwrap() == 1;
        match kind {
            b'I' if is_null => Value::Int(None),
            b'I' => Value::Int(Some(self.stream.read_i64().await.unwrap())),
            b'D' if is_null => Value::Time(None),
            b'D' => Value::Time(Some(time(&self.get().await))),
            _ if is_null => Value::Text(None),
            _ => Value::Text(Some(self.get().await)),
        }
    }

    async fn request(&mut self, operation: u8, sql: &str, values: &[Value]) {
        self.stream.write_u8(operation).await.unwrap();
        self.put(sql).await;
        self.stream.write_i32(i32::try_from(values.len()).unwrap()).await.unwrap();
        for value in values {
            let (kind, is_null) = match value {
                Value::Int(number) => (b'I', number.is_none()),
                Value::Text(text) => (b'T', text.is_none()),
                Value::Time(time) => (b'D', time.is_none()),
            };
            self.stream.write_all(&[kind, u8::from(is_null)]).await.unwrap();
            match value {
                Value::Int(Some(number)) => self.stream.write_i64(*number).await.unwrap(),
                Value::Text(Some(text)) => self.put(text).await,
                Value::Time(Some(time)) => self.put(&time.format("%Y-%m-%dT%H:%M:%S").to_string()).await,
                _ => {}
            }
        }
    }

    async fn simple(&mut self, operation: u8) -> Result<(), Refused> {
        self.stream.write_u8(operation).await.unwrap();
        self.done().await
    }

    async fn done(&mut self) -> Result<(), Refused> {
        self.answered(b'O').await
    }

    async fn answered(&mut self, expected: u8) -> Result<(), Refused> {
        self.stream.flush().await.unwrap();
        match self.stream.read_u8().await.unwrap() {
            b'F' => Err(Refused { state: self.get().await, message: self.get().await }),
            kind => {
                assert_eq!(kind, expected, "the bridge and its client do not agree");
                Ok(())
            }
        }
    }

    async fn put(&mut self, text: &str) {
        self.stream.write_i32(i32::try_from(text.len()).unwrap()).await.unwrap();
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    async fn get(&mut self) -> String {
        let length = usize::try_from(self.stream.read_i32().await.unwrap()).unwrap();
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).await.unwrap();
        String::from_utf8(bytes).unwrap()
    }
}

/// Java leaves out seconds that are zero.
fn time(text: &str) -> NaiveDateTime {
    let forms = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"];
    forms
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
        .expect("a time of the bridge")
}
