// Checks the evidence that this page carries, with nothing but the page: run by the browser, without a network.
(async () => {
  const verdict = document.getElementById("verdict");
  const say = (state, text) => {
    verdict.dataset.state = state;
    verdict.textContent = text;
  };
  const decode = (text) => Uint8Array.from(atob(text), (byte) => byte.charCodeAt(0));
  const text = (bytes) => new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  const join = (...parts) => new Uint8Array(parts.flatMap((part) => [...part]));
  const hash = async (...parts) => new Uint8Array(await crypto.subtle.digest("SHA-256", join(...parts)));
  const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const same = (a, b) => hex(a) === hex(b);

  // RFC 9162, section 2.1.3.2. Sizes stay far below 2^53.
  const isIncluded = async (leaf, index, size, path, root) => {
    if (index < 0 || index >= size) return false;
    let [node, last, current] = [index, size - 1, leaf];
    for (const sibling of path) {
      if (last === 0) return false;
      if (node % 2 === 1 || node === last) {
        current = await hash([1], sibling, current);
        while (node % 2 === 0 && node !== 0) [node, last] = [Math.floor(node / 2), Math.floor(last / 2)];
      } else {
        current = await hash([1], current, sibling);
      }
      [node, last] = [Math.floor(node / 2), Math.floor(last / 2)];
    }
    return last === 0 && same(current, root);
  };

  // true, false, or why it could not be checked.
  const isSigned = async (note, verifier) => {
    if (!verifier) return "its signature was not checked: the page names no key";
    const [name, , ...rest] = verifier.split("+");
    const key = decode(rest.join("+"));
    const blank = note.lastIndexOf("\n\n");
    const signed = new TextEncoder().encode(note.slice(0, blank + 1));
    const id = (await hash(new TextEncoder().encode(`${name}\n`), key)).slice(0, 4);
    let imported;
    try {
      imported = await crypto.subtle.importKey("raw", key.slice(1), { name: "Ed25519" }, false, ["verify"]);
    } catch {
      return "its signature was not checked: this browser does not know Ed25519";
    }
    for (const line of note.slice(blank + 2).split("\n")) {
      const [dash, signer, signature] = line.split(" ");
      if (dash !== "—" || signer !== name) continue;
      const bytes = decode(signature);
      if (!same(bytes.slice(0, 4), id)) continue;
      return crypto.subtle.verify({ name: "Ed25519" }, imported, bytes.slice(4), signed);
    }
    return false;
  };

  try {
    if (!globalThis.crypto?.subtle) return say("unknown", "Not checked: this browser offers no cryptography here.");
    const content = text(decode(document.getElementById("evidence").textContent.trim()));
    const parts = /^\{"sha256":"([0-9a-f]{64})","evidence":\n([^]*)\n\}\n$/.exec(content);
    if (!parts || hex(await hash(new TextEncoder().encode(parts[2]))) !== parts[1]) {
      return say("forged", "Forged or damaged: the evidence in this page does not have its hash.");
    }
    const evidence = JSON.parse(parts[2]);
    const [, size, root, time] = evidence.checkpoint.split("\n");
    let proved = 0;
    for (const entry of evidence.entries) {
      const leaf = await hash([0], decode(entry.salt), decode(entry.bytes));
      const path = entry.proof.map(decode);
      if (await isIncluded(leaf, entry.position - 1, Number(size), path, decode(root))) proved += 1;
    }
    const total = evidence.entries.length;
    const at = time?.startsWith("time ") ? ` of ${time.slice(5)}` : "";
    const result = `${proved} of ${total} entries proved against checkpoint ${size}${at}`;
    // What is shown must be what was made from the evidence.
    const made = new DOMParser().parseFromString(text(decode(document.getElementById("made").textContent.trim())), "text/html");
    const isShown = made.getElementById("story").isEqualNode(document.getElementById("story"));
    const signed = await isSigned(evidence.checkpoint, evidence.verifier);
    if (proved !== total || total === 0) return say("forged", `Forged: only ${result}.`);
    if (!isShown) return say("forged", `Forged: ${result}, but the page shows something else.`);
    if (signed === false) return say("forged", "Forged: the checkpoint is not signed by the key that the page names.");
    const by = signed === true ? `, signed by ${evidence.verifier}. Compare this key with the published one` : `; ${signed}`;
    say("proved", `${result}${by}.`);
  } catch (error) {
    say("forged", `Forged or damaged: ${error.message}`);
  }
})();
