mod lag;
mod order;
mod strays;
mod tamper;
