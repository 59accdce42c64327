//! Arithmetic that is exact or an error.

use rust_decimal::Decimal;

use super::EvalError;
use super::syntax::Arith;

/// `left arith right`. Sums and products that do not fit exactly are errors; quotients are rounded to 28 digits.
pub(super) fn numbers(arith: Arith, left: Decimal, right: Decimal) -> Result<Decimal, EvalError> {
    let exact = exactly(arith, left, right).or_else(|| exactly(arith, left.normalize(), right.normalize()));
    if let Some(number) = exact {
        return Ok(number);
    }
    match arith {
        Arith::Divide | Arith::Remainder if right.is_zero() => Err(EvalError::new("division by zero")),
        _ => Err(EvalError::new("number overflow: the result has more than 28 digits")),
    }
}

fn exactly(arith: Arith, left: Decimal, right: Decimal) -> Option<Decimal> {
    let wider = left.scale().max(right.scale());
    // Where the scale of a result is smaller than its operands demand, it was rounded.
    match arith {
        Arith::Add => left
            .checked_add(right)
            .filter(|sum| sum.is_zero() || sum.scale() >= wider),
        Arith::Subtract => left
            .checked_sub(right)
            .filter(|rest| rest.is_zero() || rest.scale() >= wider),
        Arith::Multiply => {
            let zero = left.is_zero() || right.is_zero();
            left.checked_mul(right)
                .filter(|product| zero || product.scale() == left.scale() + right.scale())
        }
        Arith::Divide => left.checked_div(right),
        Arith::Remainder => left.checked_rem(right),
    }
}

/// The same for microseconds.
pub(super) fn micros(arith: Arith, left: i64, right: i64) -> Result<i64, EvalError> {
    let result = match arith {
        Arith::Add => left.checked_add(right),
        Arith::Subtract => left.checked_sub(right),
        _ => None,
    };
    result.ok_or_else(|| EvalError::new("time overflow: the result is out of range"))
}
