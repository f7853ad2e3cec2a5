# Ends with a stack trace, the one that the argument names.
class Refused < StandardError; end

def ask(depth)
  depth.positive? ? ask(depth - 1) : {}.fetch(:price)
end

def pay
  ask(3)
rescue KeyError
  raise Refused, "no price,\nand so no payment"
end

def uncaught = ask(3)

def cause = pay

def missing = nil.price

def printed
  pay
rescue Refused => e
  warn e.full_message(highlight: false)
end

def endless = endless()

send(ARGV.fetch(0))
