// Drives @matrix-org/matrix-sdk-crypto-wasm (vodozemac and the Rust crypto
// SDK): one JSON request a line, {"op": …}, and one JSON answer a line,
// {"ok": …} or {"err": …}.
import { createInterface } from 'node:readline'
import * as sdk from '@matrix-org/matrix-sdk-crypto-wasm'

await sdk.initAsync()

const bytes = (b64) => new Uint8Array(Buffer.from(b64, 'base64'))
const b64 = (u8) => Buffer.from(u8).toString('base64')
const settings = () => new sdk.DecryptionSettings(sdk.TrustRequirement.Untrusted)

let machine, ecies, channel, sas

// answers gives a request of the machine the response of a server.
async function answer(request, response) {
  await machine.markRequestAsSent(request.id, request.type, JSON.stringify(response))
}

async function outgoing() {
  return (await machine.outgoingRequests()).map((r) => ({ id: r.id, type: r.type, body: r.body, event_type: r.event_type }))
}

const ops = {
  // The SDK's machine.
  machine: async ({ user, device }) => {
    machine = await sdk.OlmMachine.initialize(new sdk.UserId(user), new sdk.DeviceId(device))
    const k = machine.identityKeys
    return { curve25519: k.curve25519.toBase64(), ed25519: k.ed25519.toBase64() }
  },
  outgoing,
  answer: async ({ request, response }) => answer(request, response),
  track: async ({ user }) => machine.updateTrackedUsers([new sdk.UserId(user)]),
  query: async ({ user }) => {
    const r = machine.queryKeysForUsers([new sdk.UserId(user)])
    return { id: r.id, type: r.type, body: r.body }
  },
  missing: async ({ user }) => {
    const r = await machine.getMissingSessions([new sdk.UserId(user)])
    return r ? { id: r.id, type: r.type, body: r.body } : null
  },
  share: async ({ room, user }) => {
    const rules = new sdk.EncryptionSettings()
    rules.rotationPeriodMessages = 10000n
    const rs = await machine.shareRoomKey(new sdk.RoomId(room), [new sdk.UserId(user)], rules)
    for (const r of rs) await answer(r, {})
    return rs.map((r) => JSON.parse(r.body))
  },
  encryptRoom: async ({ room, content }) =>
    machine.encryptRoomEvent(new sdk.RoomId(room), 'm.room.message', JSON.stringify(content)),
  decryptRoom: async ({ room, event }) =>
    (await machine.decryptRoomEvent(JSON.stringify(event), new sdk.RoomId(room), settings())).event,
  encryptTo: async ({ user, device, type, content }) => {
    const d = await machine.getDevice(new sdk.UserId(user), new sdk.DeviceId(device))
    return d.encryptToDeviceEvent(type, content)
  },
  sync: async ({ events }) => {
    const out = await machine.receiveSyncChanges(
      JSON.stringify(events), new sdk.DeviceLists(), new Map(), undefined, settings())
    return out.map((e) => ({ type: e.type, raw: e.rawEvent }))
  },
  // Verification of the user's device.
  verify: async ({ user, device }) => {
    const d = await machine.getDevice(new sdk.UserId(user), new sdk.DeviceId(device))
    const [request, out] = d.requestVerification([sdk.VerificationMethod.SasV1])
    return { flow: request.flowId, event_type: out.event_type, body: out.body }
  },
  startSas: async ({ user, flow }) => {
    const request = machine.getVerificationRequest(new sdk.UserId(user), flow)
    const [s, out] = await request.startSas()
    sas = s
    return { event_type: out.event_type, body: out.body }
  },
  sas: async ({ user, flow }) => {
    sas ??= machine.getVerification(new sdk.UserId(user), flow)
    return {
      presentable: sas.canBePresented(), done: sas.isDone(), cancelled: sas.isCancelled(),
      reason: sas.cancelInfo()?.reason() ?? null,
      emoji: sas.emoji()?.map((e) => [e.symbol, e.description]) ?? null,
      decimals: sas.decimals() ? Array.from(sas.decimals()) : null,
    }
  },
  confirm: async () => {
    const out = []
    for (const r of await sas.confirm()) {
      out.push({ event_type: r.event_type, body: r.body })
      if (r.id && r.type === sdk.RequestType.ToDevice) await answer(r, {})
    }
    return out
  },
  // Dehydrated devices.
  bootstrap: async () => {
    const b = await machine.bootstrapCrossSigning(true)
    return { keys: b.uploadSigningKeysRequest.body, upload: b.uploadKeysRequest?.body ?? null }
  },
  dehydrate: async ({ key }) => {
    const d = await machine.dehydratedDevices().create()
    return (await d.keysForUpload('test', sdk.DehydratedDeviceKey.createKeyFromArray(bytes(key)))).body
  },
  rehydrate: async ({ key, device, data }) => {
    await machine.dehydratedDevices().rehydrate(
      sdk.DehydratedDeviceKey.createKeyFromArray(bytes(key)), new sdk.DeviceId(device), JSON.stringify(data))
    return true
  },
  // Primitives.
  eciesNew: () => {
    ecies = new sdk.Ecies()
    return ecies.public_key().toBase64()
  },
  eciesOut: ({ key, text }) => {
    const r = ecies.establish_outbound_channel(new sdk.Curve25519PublicKey(key), text)
    channel = r.channel
    return r.initial_message
  },
  eciesIn: ({ message }) => {
    const r = ecies.establish_inbound_channel(message)
    const text = r.message
    channel = r.channel
    return text
  },
  eciesEncrypt: ({ text }) => channel.encrypt(text),
  eciesDecrypt: ({ message }) => channel.decrypt(message),
  eciesCode: () => {
    const c = channel.check_code()
    return [c.to_digit(), c.toDigitNoLeadingZero()]
  },
  pkEncrypt: ({ key, text }) => {
    const m = sdk.PkEncryption.fromKey(new sdk.Curve25519PublicKey(key)).encryptString(text).toBase64()
    return { ciphertext: m.ciphertext, mac: m.mac, ephemeral: m.ephemeralKey }
  },
  pkDecrypt: ({ secret, m }) =>
    sdk.BackupDecryptionKey.fromBase64(secret).decryptV1(m.ephemeral, m.mac, m.ciphertext),
  pkPublic: ({ secret }) => sdk.BackupDecryptionKey.fromBase64(secret).megolmV1PublicKey.publicKeyBase64,
  attachmentEncrypt: ({ data }) => {
    const a = sdk.Attachment.encrypt(bytes(data))
    return { data: b64(a.encryptedData), info: a.mediaEncryptionInfo }
  },
  attachmentDecrypt: ({ data, info }) =>
    b64(sdk.Attachment.decrypt(new sdk.EncryptedAttachment(bytes(data), info))),
  keysSeal: ({ text, pass, rounds }) => sdk.OlmMachine.encryptExportedRoomKeys(text, pass, rounds),
  keysOpen: ({ file, pass }) => sdk.OlmMachine.decryptExportedRoomKeys(file, pass),
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line)
  try {
    const ok = await ops[request.op](request)
    console.log(JSON.stringify({ ok: ok === undefined ? null : ok }))
  } catch (e) {
    console.log(JSON.stringify({ err: String(e?.message ?? e) }))
  }
}
