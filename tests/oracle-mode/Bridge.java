import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Timestamp;
import java.sql.Types;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;

/**
 * A bridge from the tests to H2 in Oracle mode, which has no wire protocol that a Rust driver speaks.
 *
 * Listens on a free loopback port, which it prints, until it is stopped. Each connection is one JDBC connection. A request is an operation and its arguments; integers are big-endian, texts are a length in bytes and
 * UTF-8. Every request gets one answer: O (done), U (rows changed), R (rows), N (milliseconds), or F (failure: SQLSTATE
 * and message).
 */
public final class Bridge {
    private final DataInputStream in;
    private final DataOutputStream out;
    private Connection connection;

    private Bridge(Socket socket) throws IOException {
        in = new DataInputStream(new BufferedInputStream(socket.getInputStream()));
        out = new DataOutputStream(new BufferedOutputStream(socket.getOutputStream()));
    }

    public static void main(String[] arguments) throws Exception {
        Class.forName("org.h2.Driver");
        ServerSocket server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        System.out.println("127.0.0.1:" + server.getLocalPort());
        while (true) {
            Socket socket = server.accept();
            Thread worker = new Thread(() -> serve(socket));
            worker.setDaemon(true);
            worker.start();
        }
    }

    private static void serve(Socket socket) {
        try (socket) {
            socket.setTcpNoDelay(true);
            new Bridge(socket).run();
        } catch (EOFException closed) {
            // The other side is done.
        } catch (IOException broken) {
            System.err.println("bridge: " + broken);
        }
    }

    private void run() throws IOException {
        try {
            while (true) {
                int operation = in.read();
                if (operation < 0) {
                    return;
                }
                try {
                    answer((char) operation);
                } catch (SQLException refused) {
                    out.writeByte('F');
                    text(refused.getSQLState());
                    text(refused.getMessage());
                }
                out.flush();
            }
        } finally {
            close();
        }
    }

    private void close() {
        try {
            if (connection != null) {
                if (!connection.getAutoCommit()) {
                    connection.rollback();
                }
                connection.close();
            }
        } catch (SQLException ignored) {
            // Nothing depends on a connection that nobody uses any more.
        }
    }

    private void answer(char operation) throws IOException, SQLException {
        switch (operation) {
            case 'D' -> {
                String url = "jdbc:h2:mem:" + text() + ";MODE=Oracle;DB_CLOSE_DELAY=-1;LOCK_TIMEOUT=4000";
                connection = DriverManager.getConnection(url);
                out.writeByte('O');
            }
            case 'E' -> {
                String script = text();
                try (Statement statement = connection.createStatement()) {
                    statement.execute(script);
                }
                out.writeByte('O');
            }
            case 'B', 'A' -> {
                connection.setAutoCommit(operation == 'A');
                out.writeByte('O');
            }
            case 'C' -> {
                connection.commit();
                out.writeByte('O');
            }
            case 'K' -> {
                connection.rollback();
                out.writeByte('O');
            }
            case 'N' -> {
                try (Statement statement = connection.createStatement();
                        ResultSet row = statement.executeQuery("select current_timestamp from dual")) {
                    row.next();
                    out.writeByte('N');
                    out.writeLong(row.getObject(1, OffsetDateTime.class).toInstant().toEpochMilli());
                }
            }
            case 'Q' -> {
                try (PreparedStatement statement = bound(); ResultSet rows = statement.executeQuery()) {
                    rows(rows);
                }
            }
            case 'X' -> {
                try (PreparedStatement statement = bound()) {
                    long changed = statement.executeUpdate();
                    out.writeByte('U');
                    out.writeLong(changed);
                }
            }
            default -> throw new IOException("operation " + operation + " is unknown");
        }
    }

    /** Reads all of the request before anything can fail, so that the next request is found. */
    private PreparedStatement bound() throws IOException, SQLException {
        String sql = text();
        Object[] values = new Object[in.readInt()];
        int[] types = new int[values.length];
        for (int place = 0; place < values.length; place++) {
            char type = (char) in.readByte();
            boolean isNull = in.readByte() == 1;
            types[place] = switch (type) {
                case 'I' -> Types.BIGINT;
                case 'D' -> Types.TIMESTAMP;
                default -> Types.VARCHAR;
            };
            if (!isNull) {
                values[place] = switch (type) {
                    case 'I' -> in.readLong();
                    case 'D' -> Timestamp.valueOf(LocalDateTime.parse(text()));
                    default -> text();
                };
            }
        }
        PreparedStatement statement = connection.prepareStatement(sql);
        try {
            for (int place = 0; place < values.length; place++) {
                if (values[place] == null) {
                    statement.setNull(place + 1, types[place]);
                } else {
                    statement.setObject(place + 1, values[place], types[place]);
                }
            }
        } catch (SQLException refused) {
            statement.close();
            throw refused;
        }
        return statement;
    }

    private void rows(ResultSet rows) throws IOException, SQLException {
        ResultSetMetaData description = rows.getMetaData();
        int columns = description.getColumnCount();
        char[] types = new char[columns];
        java.util.List<Object[]> found = new java.util.ArrayList<>();
        for (int place = 0; place < columns; place++) {
            types[place] = switch (description.getColumnType(place + 1)) {
                case Types.DATE, Types.TIMESTAMP -> 'D';
                case Types.NUMERIC, Types.DECIMAL, Types.BIGINT, Types.INTEGER, Types.SMALLINT, Types.TINYINT -> 'I';
                default -> 'T';
            };
        }
        while (rows.next()) {
            Object[] row = new Object[columns];
            for (int place = 0; place < columns; place++) {
                row[place] = switch (types[place]) {
                    case 'I' -> rows.getObject(place + 1) == null ? null : (Object) rows.getLong(place + 1);
                    case 'D' -> rows.getObject(place + 1, LocalDateTime.class);
                    default -> rows.getString(place + 1);
                };
            }
            found.add(row);
        }
        out.writeByte('R');
        out.writeInt(columns);
        for (int place = 0; place < columns; place++) {
            text(description.getColumnLabel(place + 1));
            out.writeByte(types[place]);
        }
        out.writeInt(found.size());
        for (Object[] row : found) {
            for (int place = 0; place < columns; place++) {
                out.writeByte(row[place] == null ? 1 : 0);
                if (row[place] instanceof Long number) {
                    out.writeLong(number);
                } else if (row[place] != null) {
                    text(row[place].toString());
                }
            }
        }
    }

    private String text() throws IOException {
        byte[] bytes = new byte[in.readInt()];
        in.readFully(bytes);
        return new String(bytes, StandardCharsets.UTF_8);
    }

    private void text(String text) throws IOException {
        byte[] bytes = (text == null ? "" : text).getBytes(StandardCharsets.UTF_8);
        out.writeInt(bytes.length);
        out.write(bytes);
    }
}
