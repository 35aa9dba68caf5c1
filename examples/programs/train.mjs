// A small training job: a network of 24 neurons learns to tell the points inside a circle from those outside.
// It is plain JavaScript with no packages, so that any image with Node can run it. With STAY=yes it does not end after
// the training: it stays up, as a machine does from which one fetches the model.
const epochs = Number(process.env.EPOCHS ?? 10)
const pause = Number(process.env.PAUSE_MS ?? 400)

// The same numbers in every run.
let seed = 42
const random = () => {
  seed = (seed * 1664525 + 1013904223) % 4294967296
  return seed / 4294967296
}

const points = Array.from({ length: 500 }, () => {
  const x = random() * 2 - 1
  const y = random() * 2 - 1
  return { x, y, inside: x * x + y * y < 0.5 ? 1 : 0 }
})

const neurons = Array.from(
  { length: 24 },
  () => ({ x: random() * 4 - 2, y: random() * 4 - 2, bias: 0, out: random() - 0.5 })
)
let bias = 0
const rate = 0.03

const predict = ({ x, y }) => {
  const active = neurons.map((neuron) => Math.tanh(neuron.x * x + neuron.y * y + neuron.bias))
  const sum = active.reduce((total, value, index) => total + value * neurons[index].out, bias)
  return { active, probability: 1 / (1 + Math.exp(-sum)) }
}

const learn = (point) => {
  const { active, probability } = predict(point)
  const error = probability - point.inside
  bias -= rate * error
  neurons.forEach((neuron, index) => {
    const back = error * neuron.out * (1 - active[index] ** 2)
    neuron.out -= rate * error * active[index]
    neuron.x -= rate * back * point.x
    neuron.y -= rate * back * point.y
    neuron.bias -= rate * back
  })
}

const evaluate = () => {
  let loss = 0
  let right = 0
  for (const point of points) {
    const { probability } = predict(point)
    loss -= Math.log(point.inside === 1 ? probability : 1 - probability) / points.length
    if (probability > 0.5 === (point.inside === 1)) right += 1
  }
  return { loss, accuracy: (100 * right) / points.length }
}

console.log(`${points.length} points, ${neurons.length} neurons, ${epochs} epochs, Node ${process.version}`)
for (let epoch = 1; epoch <= epochs; epoch++) {
  await new Promise((resolve) => setTimeout(resolve, pause))
  for (let pass = 0; pass < 2; pass++) points.forEach(learn)
  const { accuracy, loss } = evaluate()
  if (!Number.isFinite(loss)) {
    console.error("the loss is not a number: the learning rate is too high")
    process.exit(1)
  }
  console.log(`epoch ${epoch}/${epochs} loss ${loss.toFixed(4)} accuracy ${accuracy.toFixed(1)}%`)
}
console.log("done")
if (process.env.STAY === "yes") setInterval(() => {}, 60_000)
